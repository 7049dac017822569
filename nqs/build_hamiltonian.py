"""From the table of a Hamiltonian to the Hamiltonian."""

import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np

from hamiltonians.continuum import ContinuumHamiltonian
from hamiltonians.electron_gas import ElectronGas
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import EdgeList, Graph, Lattice
from hamiltonians.netket_operators import from_netket, is_operator
from hamiltonians.neutron_matter import NeutronMatter
from hamiltonians.pauli_strings import PauliStrings
from hamiltonians.sherrington_kirkpatrick import SherringtonKirkpatrick, gaussian_couplings
from hamiltonians.spin import SpinHamiltonian
from hamiltonians.term_checks import term_error
from hamiltonians.trap import HarmonicTrap
from nqs import schema
from nqs.import_path import check_keys, imported, made
from nqs.local_energy import Hamiltonian


def build_hamiltonian(table: Any, instance: dict[str, np.ndarray] | None = None) -> Hamiltonian:
    """The Hamiltonian of a table; the disorder is that of `instance` where it is given."""
    match table:
        case schema.TransverseIsing():
            return TransverseIsing(_lattice(table), table.coupling, table.transverse_field, table.longitudinal_field)
        case schema.Exchange():
            return Heisenberg(
                _lattice(table),
                table.coupling,
                _total_sz(table),
                table.marshall,
                anisotropy=getattr(table, "anisotropy", 1.0),
                second_coupling=getattr(table, "second_coupling", 0.0),
                longitudinal_field=table.longitudinal_field,
            )
        case schema.PauliStrings() if table.operator is not None:
            return _of_operator(table.operator, table.arguments)
        case schema.PauliStrings():
            return PauliStrings(cast(dict[str, float], table.strings), _total_sz(table))
        case schema.SherringtonKirkpatrick():
            couplings = instance["couplings"] if instance else _couplings(table)
            return SherringtonKirkpatrick(couplings, table.transverse_field)
        case schema.ElectronGas():
            return ElectronGas(
                table.n_up,
                table.n_down,
                table.r_s,
                table.dim,
                twist=table.twist,
                cell=table.cell,
                interaction=table.interaction,
                open_shells=table.open_shells,
            )
        case schema.Trap():
            return HarmonicTrap(
                table.n_up,
                table.n_down,
                table.dim,
                table.omega,
                table.interaction,
                softening=table.softening,
                core_diameter=table.core_diameter,
                are_bosons=table.particles == "bosons",
                open_shells=table.open_shells,
            )
        case schema.NeutronMatter():
            return NeutronMatter(
                table.n_up, table.n_down, table.density, twist=table.twist, open_shells=table.open_shells
            )
        case schema.Custom():
            hamiltonian = made(table, (SpinHamiltonian, ContinuumHamiltonian))
            if isinstance(hamiltonian, SpinHamiltonian) and (error := term_error(hamiltonian)):
                raise ValueError(error)
            return hamiltonian
        case _:
            raise TypeError(f"no Hamiltonian for {type(table).__name__}")


def _of_operator(path: str, arguments: dict[str, Any] | None) -> PauliStrings:
    """The Hamiltonian of the NetKet operator at a path, or of what the function there returns."""
    found = imported(path, "operator")
    if is_operator(found):
        if arguments is not None:
            raise ValueError(f"arguments: {path!r} is an operator, not a function that takes them")
    elif callable(found):
        try:
            check_keys(found, arguments or {})
        except ValueError as error:
            raise ValueError(f"arguments.{error}") from error
        try:
            found = found(**(arguments or {}))
        except Exception as error:  # whatever it raises
            raise ValueError(f"operator: {path!r} raises {type(error).__name__}, {error}") from error
    if not is_operator(found):
        given = type(found).__name__
        raise ValueError(f"operator: {path!r} is not an operator of NetKet, nor does it return one, but a {given}")
    try:
        return from_netket(found, path.partition(":")[0])
    except ValueError as error:
        raise ValueError(f"operator: {error}") from error


def _lattice(table: schema.OnLattice) -> Graph:
    if table.lattice == "edges":
        edges, second = cast(Any, (table.edges, getattr(table, "second_edges", None) or ()))
        return EdgeList(1 + max(map(max, edges)), edges, second)
    return Lattice(table.lattice, tuple(table.extent or ()), table.periodic)


def _total_sz(table: schema.Exchange | schema.PauliStrings) -> float | None:
    return None if table.total_sz == "free" else table.total_sz


def _couplings(table: schema.SherringtonKirkpatrick) -> np.ndarray:
    if table.couplings is None:
        return gaussian_couplings(table.n_sites or 0, table.instance or 0)
    path = Path(table.couplings)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if path.suffix == ".npy":
                with open(path, "rb") as stream:
                    values = np.lib.format.read_array(stream)
            else:
                values = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError, EOFError, UserWarning) as error:
        raise ValueError(f"couplings {path}: cannot be read: {error}") from error
    is_real = np.issubdtype(values.dtype, np.floating) or np.issubdtype(values.dtype, np.integer)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or not is_real:
        raise ValueError(
            f"couplings {path}: needs a square matrix of real numbers, not {values.dtype} of shape {values.shape}"
        )
    return np.asarray(values, dtype=np.float64)

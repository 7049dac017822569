"""From the table of a wave function of particles to the wave function."""

from typing import Any, cast, get_args

import jax
import numpy as np

from hamiltonians.continuum import ContinuumHamiltonian
from hamiltonians.periodic import PeriodicHamiltonian
from nqs import schema
from nqs.ansatz.backflow import Backflow
from nqs.ansatz.base import Ansatz
from nqs.ansatz.gaussian_rbm import GaussianRBM
from nqs.ansatz.geometry import Geometry
from nqs.ansatz.hard_core import HardCore
from nqs.ansatz.message_passing import MessagePassing
from nqs.ansatz.orbitals import Oscillator, PlaneWaves
from nqs.ansatz.pair_jastrow import Cusps, PairJastrow, coulomb_cusps
from nqs.ansatz.product import Product
from nqs.ansatz.slater import Slater
from nqs.import_path import made
from nqs.local_energy import exchanges

COULOMB = ("coulomb", "ewald", "minimum_image")


def build_particle_ansatz(table: Any, dtype: str, hamiltonian: ContinuumHamiltonian, key: jax.Array) -> Ansatz:
    """The wave function of a table, with parameters drawn with `key`.

    Raises `ValueError` for a kind that does not suit the Hamiltonian.
    """
    space = hamiltonian.space
    if isinstance(table, schema.Custom):
        return made(table, (Ansatz,), space, key=key)
    wave, geometry = _wave(table, dtype, hamiltonian, key), Geometry(space)
    if isinstance(table, schema.Correlated):
        wave = Product((wave, PairJastrow(geometry, space.n_up, _cusps(hamiltonian), table.powers, dtype=dtype)))
    if getattr(hamiltonian, "interaction", None) == "hard_core":
        wave = Product((wave, HardCore(cast(Any, hamiltonian).core_diameter)))
    return wave


def _wave(table: Any, dtype: str, hamiltonian: ContinuumHamiltonian, key: jax.Array) -> Ansatz:
    space, geometry = hamiltonian.space, Geometry(hamiltonian.space)
    options = {"key": key, "dtype": dtype}
    match table:
        case schema.Slater() | schema.SlaterJastrow():
            return _slater(hamiltonian, dtype)
        case schema.GaussianRBM():
            return _gaussian_rbm(table, dtype, hamiltonian, key)
        case schema.Backflow():
            return Backflow(_slater(hamiltonian, dtype), geometry, space.n_up, space.dim, table.width, **options)
        case schema.MessagePassing():
            slater = _slater(hamiltonian, dtype, is_complex=table.complex)
            sizes = (table.width, table.rounds, table.determinants)
            return MessagePassing(slater, geometry, space.n_up, space.dim, *sizes, is_complex=table.complex, **options)
        case _:
            kinds = ", ".join(str(kind.__struct_config__.tag) for kind in get_args(schema.AnyParticleAnsatz))
            raise ValueError(
                f"kind: {table.__struct_config__.tag} is a wave function of spins; those of particles are {kinds}"
            )


def _gaussian_rbm(table: schema.GaussianRBM, dtype: str, hamiltonian: ContinuumHamiltonian, key: jax.Array) -> Ansatz:
    space = hamiltonian.space
    if space.cell is not None:
        raise ValueError("kind: a gaussian_rbm is not periodic; in a cell use slater_jastrow or message_passing")
    if not (space.are_bosons or table.determinant) and max(space.n_up, space.n_down) > 1:
        raise ValueError("determinant: without one two particles of equal spin are no fermions; set it to true")
    factors: list[Ansatz] = [
        GaussianRBM(
            space.n_particles * space.dim,
            table.n_hidden,
            table.sigma or space.spread,
            key=key,
            learn_sigma=table.learn_sigma,
            stddev=table.stddev,
            dtype=dtype,
        )
    ]
    if table.determinant:
        factors.append(_slater(hamiltonian, dtype, has_envelope=False))
    if table.jastrow:
        factors.append(PairJastrow(Geometry(space), space.n_up, _cusps(hamiltonian), 1, dtype=dtype))
    return Product(tuple(factors)) if len(factors) > 1 else factors[0]


def _slater(
    hamiltonian: ContinuumHamiltonian, dtype: str, *, has_envelope: bool = True, is_complex: bool = False
) -> Slater:
    """The lowest states; every boson is alone in the first. In a trap with a common scale α as a parameter.

    Where particles exchange their positions the sign of ψ is needed; complex waves keep it.
    """
    space = hamiltonian.space
    sizes = [1] * space.n_particles if space.are_bosons else [n for n in (space.n_up, space.n_down) if n]
    if space.cell is None:
        omega = np.asarray(getattr(hamiltonian, "omega", np.ones(space.dim))).tolist()
        levels = [Oscillator.lowest(n, omega, has_envelope=has_envelope) for n in sizes]
        return Slater(levels, sizes, is_scaled=has_envelope, dtype=dtype, has_sign=exchanges(hamiltonian))
    if not isinstance(hamiltonian, PeriodicHamiltonian):
        raise ValueError("kind: this Hamiltonian does not say which plane waves are occupied")
    geometry, options = Geometry(space), {"is_complex": is_complex or exchanges(hamiltonian)}
    momenta = [occupied.tolist() for occupied in hamiltonian.momenta() if len(occupied)]
    return Slater([PlaneWaves(some, hamiltonian.twist, geometry, **options) for some in momenta], sizes)


def _cusps(hamiltonian: ContinuumHamiltonian) -> Cusps:
    """Those of 1/r; equal bosons meet as opposite spins do."""
    space = hamiltonian.space
    if getattr(hamiltonian, "interaction", "none") not in COULOMB or getattr(hamiltonian, "softening", 0.0):
        return Cusps(0.0, 0.0)
    cusps = coulomb_cusps(space.dim)
    return Cusps(cusps.opposite, cusps.opposite) if space.are_bosons else cusps

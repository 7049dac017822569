"""From the table of a wave function to the wave function."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int8

from hamiltonians.lattice import HYPERCUBIC, Graph, Lattice
from hamiltonians.sector import Sector, sector
from hamiltonians.space import Particles, Spins
from hamiltonians.spin import SpinHamiltonian, ZZMatrix
from hamiltonians.symmetry import symmetry_group
from hamiltonians.term_checks import has_symmetry
from nqs import schema
from nqs.ansatz.autoregressive import Autoregressive, Couplings
from nqs.ansatz.base import Ansatz
from nqs.ansatz.convolutional import Convolutional
from nqs.ansatz.feed_forward import FeedForward
from nqs.ansatz.flax import FlaxAnsatz
from nqs.ansatz.jastrow import Jastrow
from nqs.ansatz.masked_dense import MaskedDense
from nqs.ansatz.mean_field import boundary_signs, mean_field_pairs
from nqs.ansatz.pair_product import PairProduct
from nqs.ansatz.product import Phase, Product
from nqs.ansatz.projected import Projected
from nqs.ansatz.rbm import RBM
from nqs.ansatz.recurrent import Recurrent
from nqs.ansatz.symmetric_rbm import SymmetricRBM
from nqs.ansatz.vision_transformer import VisionTransformer
from nqs.import_path import check_keys, imported, made
from nqs.local_energy import Hamiltonian
from nqs.schema import Config
from nqs.state import PARAMETERS, stream

MAX_PARAMETERS = 10**9


def build_ansatz(config: Config, hamiltonian: Hamiltonian) -> Ansatz:
    """The ansatz of a configuration, with the initial parameters of its seed."""
    table, key, precision = config.ansatz, stream(config.run.seed, PARAMETERS), config.run.precision
    _import_module(table)
    if not isinstance(hamiltonian, SpinHamiltonian):
        from nqs.build_particle_ansatz import build_particle_ansatz

        return _of_bounded_size(lambda: build_particle_ansatz(table, precision, hamiltonian, key))
    if isinstance(table, schema.ParticleAnsatz):
        raise ValueError(f"kind: {table.__struct_config__.tag} is a wave function of particles, not of spins")
    factors: list[Ansatz] = []
    if not isinstance(table, schema.PairProduct):
        factors.append(_of_bounded_size(lambda: _network(table, precision, hamiltonian, key)))
    if getattr(table, "jastrow", False):
        options = {"key": jax.random.fold_in(key, 1), "dtype": precision}
        factors.append(_of_bounded_size(lambda: Jastrow(hamiltonian.space.n_sites, **options)))
    pairing = getattr(table, "pairing", None)
    if pairing is not None:
        factors.append(_pair_product(pairing, precision, hamiltonian, jax.random.fold_in(key, 3)))
    ansatz = Product(tuple(factors)) if len(factors) > 1 else factors[0]
    chosen = build_sector(table, hamiltonian)
    if chosen is None:
        return ansatz
    return Projected(ansatz, chosen)


def _import_module(table: Any) -> None:
    """Of a class that is named by its path, before anything is traced: what a module computes is not to be traced."""
    match table:
        case schema.Flax():
            imported(table.module, "module")
        case schema.Custom() | schema.CustomNetwork():
            imported(table.path, "kind")


def _of_bounded_size(network: Callable[[], Ansatz]) -> Ansatz:
    leaves = jax.tree.leaves(eqx.filter_eval_shape(network))
    size = sum(leaf.size for leaf in leaves if isinstance(leaf, jax.ShapeDtypeStruct))
    if size > MAX_PARAMETERS:
        raise ValueError(f"{size:.3g} parameters are more than {MAX_PARAMETERS:.0e}")
    return network()


def build_sector(table: Any, hamiltonian: SpinHamiltonian) -> Sector | None:
    """The symmetry sector in the table of a wave function, where there is one."""
    chosen, space = getattr(table, "sector", None), hamiltonian.space
    if chosen is None:
        return None
    if chosen.spin_flip is not None and space.total_sz:
        raise ValueError(f"sector: the flip of all spins leaves total_sz = {space.total_sz:g}")
    lattice = getattr(hamiltonian, "lattice", None)
    found = sector(lattice, space.n_sites, chosen.momentum, chosen.point_group, chosen.spin_flip)
    if not has_symmetry(hamiltonian, found):
        raise ValueError("sector: the Hamiltonian does not have this symmetry")
    return found


def check_not_empty(ansatz: Ansatz, space: Spins | Particles) -> None:
    """A network that has a symmetry itself, translations by a patch for example, has no part in an odd sector of it.

    Raises `ValueError` if that is so at 64 random configurations.
    """
    if not isinstance(ansatz, Projected):
        return
    x = jax.vmap(space.random)(jax.random.split(jax.random.key(0), 64))
    if _is_zero(ansatz, x):
        raise ValueError("sector: psi is zero there to rounding: it has other symmetries itself, or too small a stddev")


@eqx.filter_jit
def _is_zero(ansatz: Projected, x: Int8[Array, "n n_sites"]) -> Bool[Array, ""]:
    return jnp.all(jax.lax.map(ansatz.is_zero, x))


def _network(table: Any, real: str, hamiltonian: SpinHamiltonian, key: jax.Array) -> Ansatz:
    n_sites, lattice = hamiltonian.space.n_sites, getattr(hamiltonian, "lattice", None)
    complex_or_real = {"float64": "complex128", "float32": "complex64"}[real] if getattr(table, "complex", 0) else real
    match table:
        case schema.RBM():
            if table.phase and table.complex:
                raise ValueError("phase: complex parameters give psi its phase already")
            amplitude = _rbm(table, complex_or_real, n_sites, lattice, key)
            if not table.phase:
                return amplitude
            return Product((amplitude, Phase(_rbm(table, real, n_sites, lattice, jax.random.fold_in(key, 2)))))
        case schema.FeedForward():
            return FeedForward(
                n_sites, table.widths, key=key, activation=table.activation, phase=table.phase, dtype=real
            )
        case schema.Convolutional():
            options = {"phase": table.phase, "dtype": real}
            extent = _periodic_extent("cnn", lattice)
            return Convolutional(extent, table.channels, table.blocks, table.kernel_size, key=key, **options)
        case schema.VisionTransformer():
            extent, sizes = _periodic_extent("vit", lattice), (table.layers, table.width, table.heads, table.patch_size)
            return VisionTransformer(extent, *sizes, key=key, dtype=real)
        case schema.Jastrow():
            return Jastrow(
                n_sites, key=key, visible_bias=table.visible_bias, dtype=complex_or_real, stddev=table.stddev
            )
        case schema.Autoregressive():
            return _autoregressive(table, real, hamiltonian, key)
        case schema.Flax():
            return FlaxAnsatz(_module(table), n_sites, key=key)
        case _:
            return made(table, (Ansatz,), n_sites, key=key, other_keys=schema.NETWORK_KEYS)


def _module(table: schema.Flax) -> Any:
    """The Flax module of a class, or of a function that returns one."""
    make = imported(table.module, "module")
    try:
        check_keys(make, table.arguments)
    except ValueError as error:
        raise ValueError(f"arguments.{error}") from error
    return make(**table.arguments)


def _rbm(table: schema.RBM, dtype: str, n_sites: int, lattice: Graph | None, key: jax.Array) -> Ansatz:
    options = {"visible_bias": table.visible_bias, "dtype": dtype, "stddev": table.stddev}
    if table.symmetry == "none":
        _check_no_unit_cell(table)
        return RBM(n_sites, table.alpha, key=key, **options)
    group = symmetry_group(lattice, table.symmetry, table.unit_cell)
    return SymmetricRBM(group, _n_filters(table.alpha, group), key=key, **options)


def _check_no_unit_cell(table: schema.RBM | schema.Pairing) -> None:
    if table.unit_cell is not None:
        raise ValueError('unit_cell: it goes with symmetry = "translation"')


def _pair_product(table: schema.Pairing, dtype: str, hamiltonian: SpinHamiltonian, key: jax.Array) -> PairProduct:
    """Pairs that are drawn about those of a mean field, where the Hamiltonian has a lattice."""
    n_sites, lattice = hamiltonian.space.n_sites, getattr(hamiltonian, "lattice", None)
    if hamiltonian.space.total_sz != 0:
        raise ValueError("pairing: singlet pairs need total_sz = 0")
    if getattr(hamiltonian, "marshall", False):
        raise ValueError("pairing: singlet pairs have the signs of the Hamiltonian that marshall = false leaves")
    if n_sites**2 > 2 * MAX_PARAMETERS:
        raise ValueError(f"pairing: {n_sites} sites have more than {MAX_PARAMETERS:.0e} pairs")
    group, options = np.arange(n_sites)[None], {"key": key, "dtype": dtype, "stddev": table.stddev}
    try:
        if table.symmetry == "none":
            _check_no_unit_cell(table)
        else:
            group = symmetry_group(lattice, table.symmetry, table.unit_cell)
    except ValueError as error:
        raise ValueError(f"pairing.{error}") from error
    if not isinstance(lattice, Graph):
        return PairProduct(group, np.zeros((n_sites, n_sites)), **options)
    signs = boundary_signs(lattice)
    pairs = mean_field_pairs(lattice, signs)
    return PairProduct(group, pairs, None if table.symmetry == "none" else signs, **options)


def _autoregressive(
    table: schema.Autoregressive, real: str, hamiltonian: SpinHamiltonian, key: jax.Array
) -> Autoregressive:
    couplings = _couplings(hamiltonian) if table.local_fields else None
    options = {"key": key, "phase": table.phase, "couplings": couplings, "dtype": real}
    if table.network == "recurrent":
        return Recurrent(hamiltonian.space, table.widths or (), **options)
    return MaskedDense(hamiltonian.space, table.widths or (), activation=table.activation or "", **options)


def _couplings(hamiltonian: SpinHamiltonian) -> Couplings:
    """J of the part −Σ_{i<j} J_ij Z_i Z_j of the Hamiltonian."""
    n_sites = hamiltonian.space.n_sites
    couplings = np.zeros((n_sites, n_sites))
    for term in hamiltonian.diagonal_terms:
        if isinstance(term, ZZMatrix):
            couplings -= np.asarray(term.matrix)
        elif term.sites.shape[1] == 2:
            np.subtract.at(couplings, tuple(np.sort(term.sites, axis=1).T), np.asarray(term.coefficients))
    if not np.any(couplings):
        raise ValueError("local_fields: this Hamiltonian has no terms Z Z")
    return Couplings(couplings)


def _periodic_extent(kind: str, lattice: Graph | None) -> tuple[int, ...]:
    if not isinstance(lattice, Lattice) or lattice.kind not in HYPERCUBIC or not lattice.periodic:
        raise ValueError(f"kind: a {kind} needs a periodic chain, square or cubic lattice")
    return lattice.extent


def _n_filters(alpha: float, group: np.ndarray) -> int:
    n_elements, n_sites = group.shape
    filters = alpha * n_sites / n_elements
    if filters < 1 or filters % 1:
        raise ValueError(
            f"alpha = {alpha:g}: a symmetry of {n_elements} elements on {n_sites} sites needs a multiple of "
            f"{n_elements / n_sites:g}"
        )
    return int(filters)

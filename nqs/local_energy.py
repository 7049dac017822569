"""Local energies."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int8, Num

from hamiltonians.continuum import ContinuumHamiltonian
from hamiltonians.moves import Swap
from hamiltonians.spin import SpinHamiltonian
from nqs.ansatz.base import Ansatz
from nqs.chunks import chunks
from nqs.laplacian import kinetic_energy

Hamiltonian = SpinHamiltonian | ContinuumHamiltonian

# Wave functions evaluated at once, unless a chunk is larger: enough for vector units, few enough for a cache.
AT_ONCE = 256


def local_energy(hamiltonian: Hamiltonian, ansatz: Ansatz, x: Num[Array, "*configuration"]) -> Inexact[Array, ""]:
    """E_L(x) = Σ_x′ ⟨x|H|x′⟩ ψ(x′)/ψ(x), all ratios from one cache, and of particles the kinetic part."""
    if isinstance(hamiltonian, SpinHamiltonian):
        moves, amplitudes = hamiltonian.connected(x)
        return hamiltonian.diagonal(x) + _moved_sum(ansatz, x, moves, amplitudes)
    energy = kinetic_energy(ansatz, x, hamiltonian.kinetic_prefactor) + hamiltonian.potential(x)
    return energy + exchange_energy(hamiltonian, ansatz, x) if exchanges(hamiltonian) else energy


def exchanges(hamiltonian: ContinuumHamiltonian) -> bool:
    """Whether H has terms that exchange positions."""
    space = hamiltonian.space
    return len(eqx.filter_eval_shape(hamiltonian.connected, jnp.zeros((space.n_particles, space.dim)))[0]) > 0


def needs_signs(hamiltonian: Hamiltonian) -> bool:
    """Whether E_L has ratios of a ψ that changes its sign: those of exchanged positions of fermions."""
    if not isinstance(hamiltonian, ContinuumHamiltonian):
        return False
    space = hamiltonian.space
    return not space.are_bosons and max(space.n_up, space.n_down) > 1 and exchanges(hamiltonian)


def exchange_energy(
    hamiltonian: ContinuumHamiltonian, ansatz: Ansatz, x: Float[Array, "n_particles dim"]
) -> Inexact[Array, ""]:
    """The part of E_L of terms that exchange positions."""
    pairs, amplitudes = hamiltonian.connected(x)
    return _moved_sum(ansatz, x, Swap(jnp.asarray(pairs)), amplitudes)


def _moved_sum(ansatz: Ansatz, x, moves, amplitudes: Inexact[Array, " terms"]) -> Inexact[Array, ""]:
    """Σ_t a_t ψ(x_t)/ψ(x)."""
    cache = ansatz.start(x)
    log_ratios = ansatz.log_ratios(cache, x, moves)
    acts = amplitudes != 0
    ratios = jnp.exp(jnp.where(acts, log_ratios, 0))
    return jnp.sum(jnp.where(acts, amplitudes * ratios, 0))


def _of_acting_terms(hamiltonian: SpinHamiltonian, ansatz: Ansatz, x: Int8[Array, "n n_sites"]) -> Inexact[Array, " n"]:
    """E_L of each x, with ratios of those terms alone that act on it: half of the exchanges, say, do not."""
    moves, amplitudes = jax.vmap(hamiltonian.connected)(x)
    caches = jax.vmap(ansatz.start)(x)
    n_terms, acts = amplitudes.shape[1], amplitudes.ravel() != 0
    n_acting, at_once = jnp.sum(acts), min(max(AT_ONCE, len(x)), acts.size)
    places = chunks(jnp.nonzero(acts, size=acts.size, fill_value=acts.size)[0], at_once)

    def values(block):
        row, term = jnp.divmod(places[block], n_terms)
        cache, move = jax.tree.map(lambda leaf: leaf[row], caches), jax.tree.map(lambda leaf: leaf[row, term], moves)
        return amplitudes[row, term] * jnp.exp(jax.vmap(ansatz.log_ratio)(cache, x[row], move))

    def put(block, terms):
        here = places[block] + jnp.where(block * at_once + jnp.arange(at_once) < n_acting, 0, acts.size)
        return terms.at[here].set(values(block), mode="drop")

    terms = jnp.zeros(acts.size, jnp.result_type(amplitudes, jax.eval_shape(values, 0)))
    terms = jax.lax.fori_loop(0, (n_acting + at_once - 1) // at_once, put, terms)
    return jax.vmap(hamiltonian.diagonal)(x) + jnp.sum(terms.reshape(amplitudes.shape), axis=1)


@eqx.filter_jit
def local_energies(
    hamiltonian: Hamiltonian, ansatz: Ansatz, x: Num[Array, "*samples_and_configuration"], chunk_size: int
) -> Inexact[Array, "*samples"]:
    """E_L of every configuration, `chunk_size` at a time, which bounds the memory."""
    spins = hamiltonian if isinstance(hamiltonian, SpinHamiltonian) else None
    n_axes = 2 if spins is None else 1
    flat = x.reshape(-1, *x.shape[-n_axes:])
    size = min(chunk_size, len(flat))

    def of_all(fast: Ansatz) -> Inexact[Array, " n"]:
        if spins is not None and spins.some_do_not_act() and not fast.moves_are_cheap():
            of_chunk = functools.partial(_of_acting_terms, spins, fast)
            return jax.lax.map(of_chunk, chunks(flat, size)).ravel()[: len(flat)]
        return jax.lax.map(lambda y: local_energy(hamiltonian, fast, y), flat, batch_size=size)

    return ansatz.accelerated(of_all).reshape(x.shape[:-n_axes])

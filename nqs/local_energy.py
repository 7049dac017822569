"""Local energies."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact, Num

from hamiltonians.continuum import ContinuumHamiltonian
from hamiltonians.moves import Swap
from hamiltonians.spin import SpinHamiltonian
from nqs.ansatz.base import Ansatz
from nqs.laplacian import kinetic_energy

Hamiltonian = SpinHamiltonian | ContinuumHamiltonian


def local_energy(hamiltonian: Hamiltonian, ansatz: Ansatz, x: Num[Array, "*configuration"]) -> Inexact[Array, ""]:
    """E_L(x) = Σ_x′ ⟨x|H|x′⟩ ψ(x′)/ψ(x), all ratios from one cache, and of particles the kinetic part."""
    if isinstance(hamiltonian, SpinHamiltonian):
        moves, amplitudes = hamiltonian.connected(x)
        return hamiltonian.diagonal(x) + _moved_sum(ansatz, x, moves, amplitudes)
    energy = kinetic_energy(ansatz, x, hamiltonian.kinetic_prefactor) + hamiltonian.potential(x)
    pairs, amplitudes = hamiltonian.connected(x)
    return energy if len(pairs) == 0 else energy + _moved_sum(ansatz, x, Swap(jnp.asarray(pairs)), amplitudes)


def _moved_sum(ansatz: Ansatz, x, moves, amplitudes: Inexact[Array, " terms"]) -> Inexact[Array, ""]:
    """Σ_t a_t ψ(x_t)/ψ(x)."""
    cache = ansatz.start(x)
    log_ratios = jax.vmap(lambda move: ansatz.log_ratio(cache, x, move))(moves)
    acts = amplitudes != 0
    ratios = jnp.exp(jnp.where(acts, log_ratios, 0))
    return jnp.sum(jnp.where(acts, amplitudes * ratios, 0))


@eqx.filter_jit
def local_energies(
    hamiltonian: Hamiltonian, ansatz: Ansatz, x: Num[Array, "*samples_and_configuration"], chunk_size: int
) -> Inexact[Array, "*samples"]:
    """E_L of every configuration, `chunk_size` at a time, which bounds the memory."""
    n_axes = 1 if isinstance(hamiltonian, SpinHamiltonian) else 2
    flat = x.reshape(-1, *x.shape[-n_axes:])
    size = min(chunk_size, len(flat))

    def of_all(fast: Ansatz) -> Inexact[Array, " n"]:
        return jax.lax.map(lambda y: local_energy(hamiltonian, fast, y), flat, batch_size=size)

    return ansatz.accelerated(of_all).reshape(x.shape[:-n_axes])

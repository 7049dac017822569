"""Local energies."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact, Int8

from hamiltonians.spin import SpinHamiltonian
from nqs.ansatz.base import Ansatz


def local_energy(hamiltonian: SpinHamiltonian, ansatz: Ansatz, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
    """E_L(x) = Σ_x′ ⟨x|H|x′⟩ ψ(x′)/ψ(x), the ratios of all moves from one cache."""
    cache = ansatz.start(x)
    moves, amplitudes = hamiltonian.connected(x)
    log_ratios = jax.vmap(lambda move: ansatz.log_ratio(cache, x, move))(moves)
    acts = amplitudes != 0
    ratios = jnp.exp(jnp.where(acts, log_ratios, 0))
    return hamiltonian.diagonal(x) + jnp.sum(jnp.where(acts, amplitudes * ratios, 0))


@eqx.filter_jit
def local_energies(
    hamiltonian: SpinHamiltonian, ansatz: Ansatz, x: Int8[Array, "*samples n_sites"], chunk_size: int
) -> Inexact[Array, "*samples"]:
    """E_L of every configuration, `chunk_size` at a time, which bounds the memory."""
    flat = x.reshape(-1, x.shape[-1])
    size = min(chunk_size, len(flat))

    def of_all(fast: Ansatz) -> Inexact[Array, " n"]:
        return jax.lax.map(lambda y: local_energy(hamiltonian, fast, y), flat, batch_size=size)

    return ansatz.accelerated(of_all).reshape(x.shape[:-1])

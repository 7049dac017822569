"""The overlap of a wave function with the exact ground state, by summation over all configurations."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact, Int8

from hamiltonians.exact import all_states, ground_space, n_states
from hamiltonians.exact_sector import sector_ground_space
from hamiltonians.sector import Sector
from hamiltonians.spin import SpinHamiltonian
from nqs.ansatz.base import Ansatz
from nqs.ansatz.projected import Projected
from nqs.results import Observable

MAX_STATES = 1 << 16
# Of a projected wave function: states times elements of the sector.
MAX_IMAGES = 1 << 22
MAX_SITES = 22


def can_be_enumerated(hamiltonian: SpinHamiltonian, ansatz: Ansatz) -> bool:
    """Whether the space is small enough to find the exact ground state in a moment."""
    if hamiltonian.space.n_sites > MAX_SITES:
        return False
    n, elements = n_states(hamiltonian.space), len(ansatz.characters) if isinstance(ansatz, Projected) else 1
    return n <= MAX_STATES and n * elements <= MAX_IMAGES


def fidelity(hamiltonian: SpinHamiltonian, ansatz: Ansatz, chunk_size: int) -> Observable:
    """F = ⟨ψ|P|ψ⟩/⟨ψ|ψ⟩ with the projector P on the ground space, |⟨ψ_0|ψ⟩|²/⟨ψ|ψ⟩ where that is one state.

    The ground space of its own sector for a projected ψ. Exact: the error is 0.
    """
    energy, vectors = _ground_space(hamiltonian, ansatz)
    logs = np.asarray(_log_psi(ansatz, jnp.asarray(all_states(hamiltonian.space)), chunk_size))
    psi = np.exp(logs - np.real(logs).max())
    value = np.sum(np.abs(vectors.conj().T @ psi) ** 2) / np.sum(np.abs(psi) ** 2)
    count = vectors.shape[1]
    what = "exact ground state" if count == 1 else f"space of the {count} exact ground states"
    what += " of its sector" if isinstance(ansatz, Projected) else ""
    text = f"fidelity <psi|P|psi>/<psi|psi> with the {what}, E0 = {energy:.10g}; summed over all configurations"
    return Observable(float(value), 0.0, "1", text)


def _ground_space(hamiltonian: SpinHamiltonian, ansatz: Ansatz) -> tuple[float, Inexact[np.ndarray, "n_states n"]]:
    if not isinstance(ansatz, Projected):
        return ground_space(hamiltonian)
    permutations, flips = np.asarray(ansatz.permutations), np.asarray(ansatz.flips)
    return sector_ground_space(hamiltonian, Sector(permutations, flips, np.array(ansatz.characters)))


@eqx.filter_jit
def _log_psi(ansatz: Ansatz, states: Int8[Array, "n_states n_sites"], chunk_size: int) -> Inexact[Array, " n_states"]:
    return jax.lax.map(ansatz, states, batch_size=min(chunk_size, len(states)))

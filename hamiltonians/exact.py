"""Exact solutions of small systems: enumeration and sparse Lanczos."""

from math import comb

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Inexact, Int, Int8
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh

from hamiltonians.space import Spins
from hamiltonians.spin import SpinHamiltonian

BATCH = 1 << 14
# Levels that differ by less of the width of the spectrum count as one.
DEGENERATE = 5e-11


def n_states(space: Spins) -> int:
    """The dimension of the space."""
    return 2**space.n_sites if space.n_up is None else comb(space.n_sites, space.n_up)


def all_states(space: Spins) -> Int8[np.ndarray, "n_states n_sites"]:
    """Every configuration of the space, in ascending order of its number (site 0 is the highest bit, up is 1)."""
    numbers = numbers_of(space)
    bits = (numbers[:, None] >> np.arange(space.n_sites)[::-1]) & 1
    return (2 * bits - 1).astype(np.int8)


def sparse_matrix(hamiltonian: SpinHamiltonian) -> csr_array:
    """⟨x|H|x′⟩ between all configurations, in the order of `all_states`.

    Raises `ValueError` if a term leaves the magnetisation of the space.
    """
    space = hamiltonian.space
    numbers, states = numbers_of(space), all_states(space)
    masks = np.sum(_bit_values(space)[np.asarray(hamiltonian.flip_terms.flips)], axis=-1)
    diagonal = np.concatenate([_diagonal(hamiltonian, x) for x in _batches(states)])
    amplitudes = np.concatenate([_amplitudes(hamiltonian, x) for x in _batches(states)])
    rows, terms = np.nonzero(amplitudes)
    targets = numbers[rows] ^ masks[terms]
    columns = np.searchsorted(numbers, targets)
    if np.any(numbers[np.minimum(columns, len(numbers) - 1)] != targets):
        raise ValueError(f"a term of the Hamiltonian leaves the space with total_sz = {space.total_sz}")
    shape = (len(numbers), len(numbers))
    return csr_array((amplitudes[rows, terms], (rows, columns)), shape=shape) + diags_array(diagonal).tocsr()


def ground_state(
    hamiltonian: SpinHamiltonian, n_levels: int = 1
) -> tuple[Float[np.ndarray, " n_levels"], Inexact[np.ndarray, "n_states n_levels"]]:
    """The lowest eigenvalues, ascending, and their normalised eigenvectors.

    Lanczos (ARPACK), or full diagonalisation where the space is not much larger than the number of levels.
    """
    matrix = sparse_matrix(hamiltonian)
    size = n_states(hamiltonian.space)
    if size <= max(64, 2 * n_levels + 2):
        energies, vectors = np.linalg.eigh(matrix.toarray())
    else:
        start = np.random.default_rng(0).normal(size=size)
        energies, vectors = eigsh(matrix, k=n_levels, which="SA", v0=start)
    order = np.argsort(energies)[:n_levels]
    return energies[order], vectors[:, order]


def ground_space(
    hamiltonian: SpinHamiltonian,
) -> tuple[float, Inexact[np.ndarray, "n_states degeneracy"]]:
    """The ground-state energy and an orthonormal basis of all states that have it."""
    matrix = sparse_matrix(hamiltonian)
    return lowest_space(matrix, n_states(hamiltonian.space), 2 * float(abs(matrix).sum(axis=1).max()))


def lowest_space(
    matrix: csr_array | LinearOperator, size: int, width: float
) -> tuple[float, Inexact[np.ndarray, "n_states degeneracy"]]:
    """The lowest eigenvalue of a Hermitian matrix of `size` rows and an orthonormal basis of all states that have it.

    `width` is that of the spectrum or more. Lanczos finds one state of a degenerate level reliably, not all: those
    found are lifted out of the way by the width of the spectrum, and the search is repeated until the level is empty.
    """
    if size <= 64:
        energies, vectors = np.linalg.eigh(matrix @ np.eye(size))
        return float(energies[0]), vectors[:, energies - energies[0] <= DEGENERATE * width]
    random = np.random.default_rng(0)
    found, lowest = np.zeros((size, 0), matrix.dtype or float), np.inf
    while True:
        lifted = _lifted(matrix, found, width)
        energies, vectors = eigsh(lifted, k=2, which="SA", v0=random.normal(size=size))
        lowest = min(lowest, float(energies.min()))
        new = vectors[:, energies - lowest <= DEGENERATE * width]
        if not new.size:
            return lowest, found
        found = np.linalg.qr(np.concatenate([found, new], axis=1))[0]


def _lifted(
    matrix: csr_array | LinearOperator, states: Inexact[np.ndarray, "n_states n"], height: float
) -> LinearOperator:
    """The matrix with the energies of these states raised."""
    return aslinearoperator(matrix) + aslinearoperator(height * states) @ aslinearoperator(states.conj().T)


def numbers_of(space: Spins) -> Int[np.ndarray, " n_states"]:
    """The numbers of all configurations, ascending."""
    numbers = np.arange(2**space.n_sites)
    return numbers if space.n_up is None else numbers[np.bitwise_count(numbers) == space.n_up]


def _bit_values(space: Spins) -> np.ndarray:
    """The value of each site's bit, and 0 for the padding."""
    return np.append(1 << np.arange(space.n_sites)[::-1], 0)


def _batches(states: np.ndarray):
    return (states[i : i + BATCH] for i in range(0, len(states), BATCH))


@jax.jit
def _diagonal(hamiltonian: SpinHamiltonian, states):
    return jax.vmap(hamiltonian.diagonal)(states)


@jax.jit
def _amplitudes(hamiltonian: SpinHamiltonian, states):
    return jnp.asarray(jax.vmap(lambda x: hamiltonian.connected(x)[1])(states))

"""The lowest levels of a symmetry sector, by sparse Lanczos."""

import numpy as np
from jaxtyping import Float, Inexact
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh

from hamiltonians.exact import all_states, lowest_space, n_states, numbers_of, sparse_matrix
from hamiltonians.sector import Sector
from hamiltonians.spin import SpinHamiltonian

# What may be left, relative to the largest entry, of what is zero but for rounding.
ROUNDING = 1e-8


def sector_levels(hamiltonian: SpinHamiltonian, sector: Sector, n_levels: int = 1) -> Float[np.ndarray, " n_found"]:
    """The lowest eigenvalues of H, ascending, among the states with ψ(g x) = χ_g ψ(x); all, if these are fewer.

    Lanczos of P (H − c) P + c, with the projector P = Σ_g χ_g* g / |G| and c above the spectrum. Of levels that are
    degenerate within the sector copies may be missing.

    Raises `ValueError` if the flip of all spins leaves the space or H is not symmetric.
    """
    matrix, projector = sparse_matrix(hamiltonian), _projector(hamiltonian, sector)
    size, dimension = n_states(hamiltonian.space), round(float(projector.trace().real))
    n_levels = min(n_levels, dimension)
    if n_levels == 0:
        return np.zeros(0)
    start = projector @ np.random.default_rng(0).normal(size=size)
    above = float(abs(matrix).sum(axis=1).max())
    outside = matrix @ start - projector @ (matrix @ start)
    if np.abs(outside).max() > ROUNDING * above * np.abs(start).max():
        raise ValueError("sector: the Hamiltonian does not have this symmetry")
    lifted = _lifted(matrix, projector, 2 * above + 1, size)
    if size <= max(64, 2 * n_levels + 2):
        return np.linalg.eigvalsh(lifted.matmat(np.eye(size)))[:n_levels]
    return np.sort(eigsh(lifted, k=n_levels, which="SA", v0=start)[0])


def sector_ground_space(
    hamiltonian: SpinHamiltonian, sector: Sector
) -> tuple[float, Inexact[np.ndarray, "n_states degeneracy"]]:
    """The lowest eigenvalue of P H P among the states with ψ(g x) = χ_g ψ(x), and an orthonormal basis of its states.

    Raises `ValueError` if the flip of all spins leaves the space.
    """
    matrix, projector = sparse_matrix(hamiltonian), _projector(hamiltonian, sector)
    above, size = 2 * float(abs(matrix).sum(axis=1).max()) + 1, n_states(hamiltonian.space)
    return lowest_space(_lifted(matrix, projector, above, size), size, 2 * above)


def _lifted(matrix: csr_array, projector: csr_array, above: float, size: int) -> LinearOperator:
    """P (H − c) P + c, which is H in the sector and c outside."""
    inside, constant = aslinearoperator(projector), above * eye_array(size)
    return inside @ aslinearoperator(matrix - constant) @ inside + aslinearoperator(constant)


def _projector(hamiltonian: SpinHamiltonian, sector: Sector) -> csr_array:
    """P between all states x, in their order."""
    images = _images(hamiltonian, sector)
    size, weights = len(images[0]), np.conj(sector.characters) / len(sector.characters)
    if np.all(np.abs(weights.imag) < ROUNDING / len(weights)):
        weights = weights.real
    rows = np.tile(np.arange(size, dtype=np.int32), len(images))
    return csr_array((np.repeat(weights, size), (rows, np.concatenate(images))), shape=(size, size))


def _images(hamiltonian: SpinHamiltonian, sector: Sector) -> list[np.ndarray]:
    """For each element the place of g x in the list of all states x."""
    numbers, up = numbers_of(hamiltonian.space), all_states(hamiltonian.space) > 0
    bits = 1 << np.arange(hamiltonian.space.n_sites)[::-1]
    images = []
    for permutation, flip in zip(sector.permutations, sector.flips, strict=True):
        targets = (up[:, permutation] == (flip > 0)) @ bits
        places = np.searchsorted(numbers, targets)
        if np.any(numbers[np.minimum(places, len(numbers) - 1)] != targets):
            raise ValueError(f"sector: the flip of all spins leaves total_sz = {hamiltonian.space.total_sz}")
        images.append(places.astype(np.int32))
    return images

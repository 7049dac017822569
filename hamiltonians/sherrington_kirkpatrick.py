"""The quantum Sherrington–Kirkpatrick spin glass."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from hamiltonians.space import Spins
from hamiltonians.spin import FlipTerms, SpinHamiltonian, ZStrings, ZZMatrix


class SherringtonKirkpatrick(SpinHamiltonian):
    """H = −Σ_{i<j} J_ij Z_i Z_j − Γ Σ_i X_i with Pauli matrices; Γ is `transverse_field`.

    `couplings` is an (n_sites, n_sites) matrix; J_ij is its upper triangle, and the rest must be zero or the mirror
    image. The model has J_ij ~ N(0, 1/N), which `gaussian_couplings` draws; energies are in the unit of J.

    Raises `ValueError` for couplings that are no such matrix.
    """

    space: Spins
    diagonal_terms: tuple[ZStrings | ZZMatrix, ...]
    flip_terms: FlipTerms
    transverse_field: Float[np.ndarray, ""]
    convention: ClassVar[str] = "H = -sum_{i<j} J_ij ZZ - Gamma sum X (Pauli matrices, J_ij ~ N(0, 1/N))"
    energy_unit: ClassVar[str] = "unit of J"

    def __init__(self, couplings: Float[np.ndarray, "n_sites n_sites"], transverse_field: float = 0.0):
        upper = upper_triangle(couplings)
        sites = np.arange(len(upper))[:, None]
        self.space = Spins(len(upper))
        self.transverse_field = np.asarray(transverse_field, dtype=np.float64)
        self.diagonal_terms = (ZZMatrix(-upper),)
        self.flip_terms = FlipTerms(sites, np.full(sites.shape, -transverse_field))

    def reference_energy(self) -> float | None:
        return None

    def instance(self) -> dict[str, np.ndarray]:
        """The couplings J_ij, upper triangle."""
        (pairs,) = (term for term in self.diagonal_terms if isinstance(term, ZZMatrix))
        return {"couplings": -np.asarray(pairs.matrix)}


def gaussian_couplings(n_sites: int, instance: int) -> Float[np.ndarray, "n_sites n_sites"]:
    """J_ij ~ N(0, 1/N) above the diagonal, row by row, from `numpy.random.default_rng(instance)`."""
    rows, columns = np.triu_indices(n_sites, 1)
    couplings = np.zeros((n_sites, n_sites))
    couplings[rows, columns] = np.random.default_rng(instance).normal(0, 1 / np.sqrt(n_sites), len(rows))
    return couplings


def upper_triangle(couplings: np.ndarray) -> Float[np.ndarray, "n_sites n_sites"]:
    """J_ij for i < j of a matrix whose lower triangle is zero or the mirror image of the upper one.

    Raises `ValueError` for anything else.
    """
    if couplings.ndim != 2 or couplings.shape[0] != couplings.shape[1] or len(couplings) < 2:
        raise ValueError(f"couplings must be a square matrix, not of shape {couplings.shape}")
    if not np.all(np.isfinite(couplings)):
        raise ValueError("couplings must be finite numbers")
    upper, lower = np.triu(couplings, 1), np.tril(couplings, -1)
    if np.any(np.diag(couplings)):
        raise ValueError("couplings must have a diagonal of zeros")
    if np.any(lower) and not np.array_equal(lower, upper.T):
        raise ValueError("couplings must be upper triangular or symmetric")
    return upper

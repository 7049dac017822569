"""Two electrons in an isotropic harmonic trap."""

import numpy as np
from jaxtyping import Float

BASIS_SIZE = 12


def two_electron_energy(dim: int, omega: float, angular_momentum: int) -> float | None:
    """The lowest energy of H = Σ_i (−½∇_i² + ½ω²r_i²) + 1/r_12 with this relative angular momentum, in hartree.

    0 is the singlet, 1 the triplet; None for ω < 1e-3, where the basis is too small. The centre of mass has energy
    dω/2; the relative motion has −∇² + ω²r²/4 + 1/r, whose ground state r^l e^{−ωr²/4} Σ_k a_k r^k is found by
    Rayleigh–Ritz. The series ends at the closed forms of M. Taut (Phys. Rev. A 48, 3561, 1993; J. Phys. A 27, 1045,
    1994), such as E = 3 in two dimensions at ω = 1 or E = 2 in three at ω = ½; elsewhere twelve terms give 1e-8.
    """
    from scipy.linalg import eigh
    from scipy.special import gamma

    if omega < 1e-3:
        return None
    effective_dim = dim + 2 * angular_momentum
    powers = np.arange(BASIS_SIZE)
    sums = np.add.outer(powers, powers) + effective_dim - 1

    def moments(power) -> Float[np.ndarray, "basis basis"]:
        """∫ s^p exp(−s²/2) ds over the half-line; 0 where it diverges, which only has a coefficient of 0."""
        return np.where(power > -1, 2 ** ((power - 1) / 2) * gamma(np.maximum(power + 1, 1) / 2), 0)

    scale = np.sqrt(np.diag(moments(sums)))
    norm = np.outer(scale, scale)
    products, totals = np.outer(powers, powers), np.add.outer(powers, powers)
    kinetic = products * moments(sums - 2) - totals / 2 * moments(sums) + moments(sums + 2) / 4
    potential = moments(sums + 2) / 4 + moments(sums - 1) / np.sqrt(omega)
    levels = eigh((kinetic + potential) / norm, moments(sums) / norm, eigvals_only=True)
    return float(omega * (levels[0] + dim / 2))

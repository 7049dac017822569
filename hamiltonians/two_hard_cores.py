"""Two hard spheres in an isotropic harmonic trap."""

from typing import cast


def two_hard_core_energy(dim: int, omega: float, diameter: float) -> float | None:
    """The lowest energy of H = Σ_i (−½∇_i² + ½ω²r_i²) with ψ = 0 at r_12 ≤ `diameter`, without relative angular
    momentum, in one or three dimensions, in hartree.

    The centre of mass has the energy dω/2. The relative motion has, for u = r^{(d−1)/2} ψ, −u″ + ω²r²u/4 = εu, whose
    bounded solution is the parabolic cylinder function D_ν(√ω r) with ε = ω(ν + ½); ν is the lowest zero of D_ν at the
    diameter, 1 for points. None for √ω times the diameter above 30, where D_ν is out of the range of numbers.
    """
    from scipy.optimize import brentq
    from scipy.special import pbdv

    s = omega**0.5 * diameter
    if s > 30:
        return None
    above = 2.0
    while pbdv(above, s)[0] > 0:
        above += 0.5
    nu = cast(float, brentq(lambda level: pbdv(level, s)[0], above - 1.0, above, xtol=1e-13))
    return omega * (dim / 2 + nu + 0.5)

"""The energy of an exact eigenstate from energies of wave functions of several qualities."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Line:
    """E = `energy` + `slope` · variance with the errors of a fit; `chi_square` is that of the points, per freedom."""

    energy: float
    energy_error: float
    slope: float
    chi_square: float


def to_zero_variance(
    variances: Float[np.ndarray, " n"], energies: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"]
) -> Line:
    """The weighted straight line through at least two energies against their variances.

    Near an eigenstate both E − E0 and the variance are proportional to 1 − fidelity (Y. Kwon, D. M. Ceperley and R. M.
    Martin, Phys. Rev. B 48, 12037, 1993). The error of the energy is that which follows from `errors`; that the points
    lie on a line is for χ² to say, and NaN for two.

    Raises `ValueError` if the variances do not differ or an error is not positive.
    """
    if len(variances) < 2 or np.ptp(variances) == 0:
        raise ValueError("an extrapolation needs two results whose variances differ")
    if not np.all(errors > 0):
        raise ValueError("an extrapolation needs energies with errors")
    design = np.stack([np.ones_like(variances), variances], axis=-1) / errors[:, None]
    covariance = np.linalg.inv(design.T @ design)
    energy, slope = covariance @ (design.T @ (energies / errors))
    freedom = len(variances) - 2
    residuals = (energies - energy - slope * variances) / errors
    chi_square = float(residuals @ residuals / freedom) if freedom else np.nan
    return Line(float(energy), float(np.sqrt(covariance[0, 0])), float(slope), chi_square)

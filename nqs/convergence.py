"""Whether the energy of a run still falls at its end."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

MIN_STEPS = 64
BLOCKS = 8
SIGMAS = 5.0


def fall(history: Mapping[str, Float[np.ndarray, " n_steps"]]) -> tuple[float, float] | None:
    """By how much the energy fell over the last half of the steps, with its error; None for fewer than 64 steps.

    A straight line through the means of eight blocks of steps, its error from their scatter about it, so that samples
    that are correlated from step to step do no harm as long as a block is longer than their correlation.
    """
    energy = history["energy"][len(history["energy"]) // 2 :]
    if len(history["energy"]) < MIN_STEPS or not np.all(np.isfinite(energy)):
        return None
    means = np.array([block.mean() for block in np.array_split(energy, BLOCKS)])
    x = np.arange(BLOCKS) - (BLOCKS - 1) / 2
    slope = x @ means / (x @ x)
    scatter = means - means.mean() - slope * x
    error = np.sqrt(scatter @ scatter / (BLOCKS - 2) / (x @ x))
    return float(-slope * BLOCKS), float(error * BLOCKS)


def still_falls(history: Mapping[str, Float[np.ndarray, " n_steps"]], measured_error: float) -> bool:
    """Whether that fall is certain (five errors; with six degrees of freedom by chance once in a thousand times) and
    larger than three errors of the measured energy, so that more steps would show.
    """
    found = fall(history)
    return found is not None and found[0] > max(SIGMAS * found[1], 3 * measured_error)

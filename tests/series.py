"""Synthetic chains of known autocorrelation."""

import numpy as np
from scipy.signal import lfilter


def ar1(rng: np.random.Generator, rho: float, shape: tuple[int, int]) -> np.ndarray:
    """Stationary chains x_t = ρ x_{t−1} + √(1 − ρ²) ε_t, of variance 1 and τ = (1 + ρ)/(1 − ρ)."""
    noise = rng.normal(size=shape)
    noise[:, 1:] *= np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], noise, axis=1)

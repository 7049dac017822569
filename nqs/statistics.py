"""Error bars and diagnostics of correlated samples.

The samples of a step are grouped in blocks of consecutive samples of one chain: a whole chain where there are
at least `MIN_BLOCKS` chains, otherwise equal parts of it. Sums over blocks are all that ranks exchange.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

MIN_BLOCKS = 32
WINDOW = 32


def blocks_per_chain(n_chains: int, samples_per_chain: int) -> int:
    """The smallest number of equal blocks a chain that makes `MIN_BLOCKS` or more of all chains, if there is one."""
    divisors = (b for b in range(1, samples_per_chain + 1) if samples_per_chain % b == 0)
    return next((b for b in divisors if b * n_chains >= MIN_BLOCKS), samples_per_chain)


def block_sums(
    energies: Inexact[Array, "n_local per_chain"], shift: Float[Array, ""], blocks: int
) -> Float[Array, "3 n_local blocks"]:
    """Σ Re(E_L − shift), Σ Im E_L and Σ |E_L − shift|² over each block; `shift` is near the mean."""
    blocked = (energies - shift).reshape(len(energies), blocks, -1)
    parts = [jnp.real(blocked), jnp.imag(blocked), jnp.abs(blocked) ** 2]
    return jnp.stack([jnp.sum(part.astype(float), axis=-1) for part in parts])


@dataclass(frozen=True)
class EnergyStatistics:
    """Energy of one step: mean, its error from the spread of the block means, and variance ⟨|E_L − E|²⟩.

    `deviations[0]` and `[1]`, of shape (n_chains,), are the chain means of Re E_L − E and of |E_L − E|².
    """

    energy: float
    energy_imaginary: float
    energy_error: float
    variance: float
    deviations: Float[np.ndarray, "2 n_chains"]


def energy_statistics(
    sums: Float[np.ndarray, "3 n_chains blocks"], shift: float, samples_per_chain: int
) -> EnergyStatistics:
    """The statistics of a step from the block sums of all chains."""
    per_block = samples_per_chain // sums.shape[2]
    means = sums / per_block
    real, imaginary, square = means.mean(axis=(1, 2))
    chain_mean, chain_imaginary, chain_square = means.mean(axis=2)
    deviation = chain_mean - real
    squares = chain_square - 2 * real * chain_mean + real**2 - 2 * imaginary * chain_imaginary + imaginary**2
    n_blocks = means[0].size
    error = float(np.std(means[0], ddof=1) / np.sqrt(n_blocks)) if n_blocks > 1 else np.nan
    return EnergyStatistics(
        energy=float(shift + real),
        energy_imaginary=float(imaginary),
        energy_error=error,
        variance=float(max(square - real**2 - imaginary**2, 0.0)),
        deviations=np.stack([deviation, squares]),
    )


def v_score(n_sites: int, energy: float, variance: float, infinite_temperature_energy: float) -> float:
    """N Var/(E − E_∞)² (D. Wu et al., Science 386, 296, 2024, eq. 1)."""
    distance = energy - infinite_temperature_energy
    return n_sites * variance / distance**2 if distance != 0 else np.nan


def window_diagnostics(window: Float[np.ndarray, "steps 2 n_chains"], samples_per_chain: int) -> tuple[float, float]:
    """Split R-hat, and τ in samples, of the local energies over a window of steps; NaN where undefined.

    `window` holds the `deviations` of each step, which are free of the common drift of the energy. τ = 1 + 2 Σ ρ
    (1 for independent samples) from the spread of the chain means: n Var(chain mean)/Var. R-hat as in A. Gelman et
    al., Bayesian Data Analysis (3rd ed.), section 11.4. Both need four steps and four chains.
    """
    steps, _, n_chains = window.shape
    if steps < 4 or n_chains < 4:
        return np.nan, np.nan
    means, squares = window[:, 0], window[:, 1]
    variance = squares.mean()
    if not variance > 0:
        return np.nan, np.nan
    tau = steps * samples_per_chain * np.var(means.mean(axis=0), ddof=1) / variance
    half = steps // 2
    halves = [window[:half], window[-half:]]
    half_means = np.concatenate([h[:, 0].mean(axis=0) for h in halves])
    within = np.mean(np.concatenate([h[:, 1].mean(axis=0) for h in halves]) - half_means**2)
    r_hat = np.sqrt(1 + np.var(half_means, ddof=1) / within) if within > 0 else np.nan
    return float(r_hat), float(tau)


@dataclass(frozen=True)
class SeriesStatistics:
    """A mean over long chains with its blocked error, variance ⟨|a − mean|²⟩, R-hat, τ and effective sample size."""

    mean: complex
    error: float
    error_imaginary: float
    variance: float
    rhat: float
    tau: float
    ess: float


def series_statistics(series: Inexact[np.ndarray, "n_chains length"]) -> SeriesStatistics:
    """The statistics of chains at fixed parameters.

    The error comes from the spread of block means about the mean of all; R-hat (rank-normalised, split) and the
    effective sample size are those of A. Vehtari et al., Bayesian Analysis 16, 667 (2021); τ is samples over
    effective samples. The three are NaN for chains of fewer than four samples or without variance.
    """
    from arviz_stats.base.array import array_stats

    n_chains, length = series.shape
    blocks = blocks_per_chain(n_chains, length)
    means = series.reshape(n_chains * blocks, -1).mean(axis=1)
    real = np.real(series)
    if length >= 4 and np.ptp(real) > 0:
        rhat = np.asarray(array_stats.rhat(real, chain_axis=0, draw_axis=1)).item()
        ess = np.asarray(array_stats.ess(real, chain_axis=0, draw_axis=1, method="mean")).item()
    else:
        rhat = ess = np.nan

    def error(values):
        return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan

    return SeriesStatistics(
        mean=complex(series.mean()),
        error=error(means.real),
        error_imaginary=error(means.imag),
        variance=float(np.var(series)),
        rhat=rhat,
        tau=series.size / ess,
        ess=ess,
    )

"""Error bars and diagnostics of correlated samples.

The samples of a step are grouped in blocks of consecutive samples of one chain: a whole chain where there are
at least `MIN_BLOCKS` chains, otherwise parts of it as equal as they go. Sums over blocks are all that ranks exchange.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int

MIN_BLOCKS = 32
N_SUMS = 4
# Accepted over proposed moves, below which chains say little about a wave function.
LOW_ACCEPTANCE = 0.01
WINDOW = 32


def blocks_per_chain(n_chains: int, samples_per_chain: int) -> int:
    """How many blocks a chain has, so that all chains have `MIN_BLOCKS` or more if there are as many samples."""
    return min(samples_per_chain, -(-MIN_BLOCKS // n_chains))


def block_sizes(samples_per_chain: int, blocks: int) -> Int[np.ndarray, " blocks"]:
    """The number of samples in each block of a chain; they differ by one at most."""
    return np.diff(np.arange(blocks + 1) * samples_per_chain // blocks)


def block_sums(
    energies: Inexact[Array, "n_local per_chain"], shift: Float[Array, ""], blocks: int
) -> Float[Array, "4 n_local blocks"]:
    """Σ Re e, Σ Im e, Σ |e|² and Σ (Re e)² over each block with e = E_L − shift; `shift` is near the mean."""
    shifted = energies - shift
    real, imaginary = jnp.real(shifted).astype(float), jnp.imag(shifted).astype(float)
    parts = jnp.stack([real, imaginary, real**2 + imaginary**2, real**2])
    block = np.repeat(np.arange(blocks), block_sizes(energies.shape[1], blocks))
    return jnp.zeros((N_SUMS, len(energies), blocks)).at[:, :, block].add(parts)


def blocked_error(sums: Float[np.ndarray, "n_chains blocks"], sizes: Int[np.ndarray, " blocks"]) -> float:
    """The error of the mean of all samples from the spread of the block sums; NaN for a single block."""
    n_samples, n_blocks = len(sums) * sizes.sum(), sums.size
    if n_blocks < 2:
        return np.nan
    deviations = sums - sums.sum() / n_samples * sizes
    return float(np.sqrt(n_blocks / (n_blocks - 1) * np.sum(deviations**2)) / n_samples)


@dataclass(frozen=True)
class EnergyStatistics:
    """Energy of one step: mean, its error from the spread of the block means, and variance ⟨|E_L − E|²⟩.

    `deviations[0]` and `[1]`, of shape (n_chains,), are the chain means of Re E_L − E and of (Re E_L − E)².
    """

    energy: float
    energy_imaginary: float
    energy_error: float
    variance: float
    deviations: Float[np.ndarray, "2 n_chains"]


def energy_statistics(
    sums: Float[np.ndarray, "4 n_chains blocks"], shift: float, samples_per_chain: int
) -> EnergyStatistics:
    """The statistics of a step from the block sums of all chains."""
    n_chains, blocks = sums.shape[1:]
    chain_real, _, _, chain_real_square = sums.sum(axis=2) / samples_per_chain
    real, imaginary, square, _ = sums.sum(axis=(1, 2)) / (n_chains * samples_per_chain)
    return EnergyStatistics(
        energy=float(shift + real),
        energy_imaginary=float(imaginary),
        energy_error=blocked_error(sums[0], block_sizes(samples_per_chain, blocks)),
        variance=float(max(square - real**2 - imaginary**2, 0.0)),
        deviations=np.stack([chain_real - real, chain_real_square - 2 * real * chain_real + real**2]),
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

    The error comes from the spread of block means about the mean of all; R-hat is `chains_rhat`, the effective sample
    size that of A. Vehtari et al., Bayesian Analysis 16, 667 (2021); τ is samples over effective samples. The three
    are NaN for chains of fewer than four samples or without variance.
    """
    n_chains, length = series.shape
    sizes = block_sizes(length, blocks_per_chain(n_chains, length))
    sums: Inexact[np.ndarray, "n_chains blocks"] = np.add.reduceat(series, np.cumsum(sizes) - sizes, axis=1)
    real = np.real(series)
    ess = np.nan
    if length >= 4 and np.ptp(real) > 0:
        from arviz_stats.base.array import array_stats

        ess = np.asarray(array_stats.ess(real, chain_axis=0, draw_axis=1, method="mean")).item()

    return SeriesStatistics(
        mean=complex(series.mean()),
        error=blocked_error(np.real(sums), sizes),
        error_imaginary=blocked_error(np.imag(sums), sizes),
        variance=float(np.var(series)),
        rhat=chains_rhat(real),
        tau=series.size / ess,
        ess=ess,
    )


def chains_rhat(series: Float[np.ndarray, "n_chains length"]) -> float:
    """Rank-normalised split R-hat (A. Vehtari et al., Bayesian Analysis 16, 667, 2021).

    Infinite if the chains differ and none ever moves; NaN for fewer than two chains, chains of fewer than four samples,
    or no variance at all.
    """
    n_chains, length = series.shape
    if n_chains < 2 or length < 4 or not np.ptp(series) > 0:
        return np.nan
    from arviz_stats.base.array import array_stats

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(array_stats.rhat(series, chain_axis=0, draw_axis=1)).item()

"""Error bars and diagnostics of one step, on synthetic data whose statistics are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from series import ar1

import hamiltonians  # noqa: F401, which switches JAX to 64 bits
from nqs.statistics import (
    MIN_BLOCKS,
    block_sizes,
    block_sums,
    blocks_per_chain,
    energy_statistics,
    v_score,
    window_diagnostics,
)


@pytest.mark.parametrize(
    ("n_chains", "samples_per_chain", "blocks"),
    [(128, 8, 1), (32, 8, 1), (31, 8, 2), (16, 7, 2), (8, 8, 4), (2, 8, 8), (1, 1021, 32), (1, 4, 4), (3, 31, 11)],
)
def test_blocks_per_chain(n_chains, samples_per_chain, blocks):
    assert blocks_per_chain(n_chains, samples_per_chain) == blocks
    sizes = block_sizes(samples_per_chain, blocks)
    assert sizes.sum() == samples_per_chain
    assert np.ptp(sizes) <= 1
    assert blocks * n_chains >= MIN_BLOCKS or blocks == samples_per_chain


def energies(n_chains: int, per_chain: int, is_complex: bool, mean: float) -> np.ndarray:
    rng = np.random.default_rng(n_chains)
    values = mean + 0.02 * rng.normal(size=(n_chains, per_chain)) + 0.01 * rng.normal(size=(n_chains, 1))
    return values + 1j * (0.03 * rng.normal(size=values.shape) + 0.005) if is_complex else values


_sums = jax.jit(block_sums, static_argnums=2)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize(("n_chains", "per_chain"), [(64, 4), (8, 12), (1, 64), (3, 31)])
def test_statistics_of_a_step(n_chains, per_chain, is_complex):
    """The mean is 1e7 times the spread: sums of squares without a shift would have lost all digits."""
    values = energies(n_chains, per_chain, is_complex, mean=-2e5)
    blocks = blocks_per_chain(n_chains, per_chain)
    shift = -2e5 + 0.07
    sums = np.asarray(block_sums(jnp.asarray(values), jnp.asarray(shift), blocks))
    assert sums.shape == (4, n_chains, blocks)
    found = energy_statistics(sums, shift, per_chain)
    mean = values.mean()
    assert found.energy == pytest.approx(mean.real, rel=1e-14)
    assert found.energy_imaginary == pytest.approx(mean.imag, abs=1e-14)
    assert found.variance == pytest.approx(np.mean(np.abs(values - mean) ** 2), rel=1e-7)
    if per_chain % blocks == 0:
        block_means = values.real.reshape(n_chains * blocks, -1).mean(axis=1)
        assert found.energy_error == pytest.approx(np.std(block_means, ddof=1) / np.sqrt(len(block_means)), rel=1e-7)
    deviations = (values - mean).real
    expected = [deviations.mean(axis=1), (deviations**2).mean(axis=1)]
    np.testing.assert_allclose(found.deviations, expected, rtol=1e-6, atol=1e-9)


def test_one_block_has_no_error():
    found = energy_statistics(np.ones((4, 1, 1)), -3.0, 1)
    assert np.isnan(found.energy_error)
    assert found.energy == -2.0


@pytest.mark.parametrize(("n_chains", "per_chain"), [(64, 64), (8, 1024), (1, 8192), (1, 8191), (10, 811)])
def test_error_bars_of_correlated_samples_are_right(n_chains, per_chain):
    """z = (mean − true mean)/error has mean 0 and standard deviation 1 over repetitions."""
    rng = np.random.default_rng(per_chain)
    n_replicas, blocks = 600, blocks_per_chain(n_chains, per_chain)
    z = []
    for _ in range(n_replicas):
        values = 3.0 + ar1(rng, 0.8, (n_chains, per_chain))
        found = energy_statistics(np.asarray(_sums(values, np.asarray(0.0), blocks)), 0.0, per_chain)
        z.append((found.energy - 3.0) / found.energy_error)
    assert abs(np.std(z) - 1) < 0.15
    assert abs(np.mean(z)) < 3 / np.sqrt(n_replicas)


def test_v_score():
    assert v_score(10, -7.0, 0.5, -2.0) == pytest.approx(10 * 0.5 / 25)
    assert np.isnan(v_score(10, -2.0, 0.5, -2.0))


def window(values: np.ndarray, per_chain: int) -> np.ndarray:
    """The deviations of successive steps from energies of shape (n_chains, steps · per_chain)."""
    steps = np.split(values, values.shape[1] // per_chain, axis=1)
    sums = [np.asarray(_sums(step, np.asarray(0.0), 1)) for step in steps]
    return np.stack([energy_statistics(s, 0.0, per_chain).deviations for s in sums])


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_tau_of_a_window(rho):
    """τ = (1 + ρ)/(1 − ρ), whatever the drift of the mean; one estimate scatters by √(2/(n_chains − 1)) τ."""
    rng = np.random.default_rng(17)
    n_replicas, n_chains, steps, per_chain = 50, 32, 32, 8
    results = []
    for _ in range(n_replicas):
        drift = np.repeat(np.linspace(-40, -50, steps), per_chain)
        results.append(
            window_diagnostics(window(drift + ar1(rng, rho, (n_chains, steps * per_chain)), per_chain), per_chain)
        )
    r_hat, tau = np.mean(results, axis=0)
    expected = (1 + rho) / (1 - rho)
    finite_length = 2 * rho / (1 - rho) ** 2 / (steps * per_chain)
    spread = expected * np.sqrt(2 / (n_chains - 1) / n_replicas)
    assert abs(tau - (expected - finite_length)) < 4 * spread
    assert r_hat == pytest.approx(np.sqrt(1 + 2 * expected / (steps * per_chain)), abs=0.02)


def test_stuck_chains_show_in_a_window():
    rng = np.random.default_rng(3)
    modes = np.where(np.arange(32)[:, None] < 16, 0.0, 2.0)
    values = modes + ar1(rng, 0.3, (32, 32 * 8))
    r_hat, tau = window_diagnostics(window(values, 8), 8)
    assert r_hat > 1.1
    assert tau > 50
    assert window_diagnostics(window(values + 3j * ar1(rng, 0.0, values.shape), 8), 8) == pytest.approx((r_hat, tau))
    r_hat, _ = window_diagnostics(window(values - modes, 8), 8)
    assert 1 <= r_hat < 1.02


@pytest.mark.parametrize(("steps", "n_chains"), [(3, 8), (8, 3)])
def test_a_window_that_is_too_small_has_no_diagnostics(steps, n_chains):
    values = np.random.default_rng(0).normal(size=(steps, 2, n_chains)) ** 2
    assert np.isnan(window_diagnostics(values, 8)).all()


def test_a_window_without_variance_has_no_diagnostics():
    assert np.isnan(window_diagnostics(np.zeros((8, 2, 8)), 8)).all()

"""Statistics of long chains at fixed parameters, on chains whose autocorrelation is known."""

import functools

import numpy as np
import pytest
from series import ar1

from nqs.statistics import SeriesStatistics, series_statistics

RHO = 0.8
TAU = (1 + RHO) / (1 - RHO)
N_REPLICAS = 400


@functools.cache
def replicas(shape: tuple[int, int]) -> list[SeriesStatistics]:
    """Statistics of independent sets of chains with mean 5 and variance 4."""
    rng = np.random.default_rng(shape[0])
    return [series_statistics(5.0 + 2.0 * ar1(rng, RHO, shape)) for _ in range(N_REPLICAS)]


@pytest.mark.parametrize("shape", [(64, 64), (4, 1024), (1, 4096), (1, 4093), (10, 409)])
def test_error_bars_of_correlated_chains(shape):
    """z = (mean − true mean)/error has mean 0 and standard deviation 1 over repetitions."""
    found = replicas(shape)
    z = np.array([(s.mean.real - 5.0) / s.error for s in found])
    assert abs(np.std(z) - 1) < 0.15
    assert abs(np.mean(z)) < 3 / np.sqrt(N_REPLICAS)
    assert np.mean([s.variance for s in found]) == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize("shape", [(4, 1024), (1, 4096)])
def test_tau_of_chains_that_are_long_compared_to_it(shape):
    found = replicas(shape)
    taus = np.array([s.tau for s in found])
    assert abs(taus.mean() / TAU - 1) < 0.05
    assert np.std(taus) < 0.2 * TAU
    assert all(s.tau * s.ess == pytest.approx(shape[0] * shape[1]) for s in found)


def test_independent_samples_have_a_tau_of_one():
    found = series_statistics(np.random.default_rng(0).normal(size=(16, 512)))
    assert found.tau == pytest.approx(1, abs=0.1)
    assert found.rhat == pytest.approx(1, abs=0.005)
    assert found.error == pytest.approx(1 / np.sqrt(16 * 512), rel=0.5)


def test_chains_stuck_in_two_modes_have_a_large_r_hat():
    chains = ar1(np.random.default_rng(1), 0.3, (8, 200))
    assert series_statistics(chains).rhat < 1.02
    assert series_statistics(chains + np.where(np.arange(8) < 4, 0.0, 1.0)[:, None]).rhat > 1.1


def test_complex_series():
    rng = np.random.default_rng(2)
    values = ar1(rng, 0.5, (64, 32)) + 0.3j * ar1(rng, 0.5, (64, 32)) - (2 - 1j)
    found = series_statistics(values)
    assert found.mean == pytest.approx(values.mean())
    assert found.variance == pytest.approx(np.mean(np.abs(values - values.mean()) ** 2))
    means = values.mean(axis=1)
    assert found.error == pytest.approx(np.std(means.real, ddof=1) / 8)
    assert found.error_imaginary == pytest.approx(np.std(means.imag, ddof=1) / 8)
    assert found.tau == series_statistics(values.real).tau


@pytest.mark.parametrize("values", [np.full((4, 16), 1.5), np.random.default_rng(0).normal(size=(4, 3))])
def test_diagnostics_are_nan_where_undefined(values):
    found = series_statistics(values)
    assert np.isnan([found.rhat, found.tau, found.ess]).all()
    assert found.mean.real == pytest.approx(values.mean())
    assert found.variance == pytest.approx(values.var(), abs=1e-30)


def test_one_sample_has_no_error():
    assert np.isnan(series_statistics(np.ones((1, 1))).error)


def test_chains_that_stay_where_they_are_have_an_infinite_r_hat():
    assert series_statistics(np.repeat([[1.0], [2.0]], 8, axis=1)).rhat == np.inf

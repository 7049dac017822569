"""Chains of particles follow |ψ|², with every kind of steps, on any number of ranks."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from particle_systems import plane_waves
from scipy.stats import kstest

from hamiltonians.continuum import pairs
from hamiltonians.space import Particles
from nqs.ansatz.hard_core import HardCore
from nqs.ansatz.orbitals import Oscillator
from nqs.ansatz.product import Product
from nqs.ansatz.slater import Slater
from nqs.sampler.base import sample
from nqs.sampler.random_walk import RandomWalk

OMEGA = (1.0, 0.4)
TRAP = Particles(2, 1, 2)
CELL = Particles(2, 1, 3, 2.5 * np.eye(3))
LEVELS = Slater([Oscillator.lowest(2, OMEGA), Oscillator.lowest(1, OMEGA)], (2, 1))
STEPS = ("gaussian", "gaussian_all", "langevin")


def draw(sampler: RandomWalk, ansatz, chains, extra_sweeps=None, seed=1):
    key, extra = jax.random.key(seed), sampler.burn_in if extra_sweeps is None else extra_sweeps
    x = sampler.start(sampler.space, key, chains)
    return eqx.filter_jit(sample)(sampler, ansatz, jax.random.fold_in(key, 7), chains, x, jnp.asarray(extra))


@pytest.mark.parametrize(("steps", "exchanges"), [*((one, 0) for one in STEPS), ("gaussian", 3), ("langevin", 3)])
def test_levels_of_a_trap_have_their_distribution(steps, exchanges):
    """With spin up the levels 0 and 1 along y: ρ_y ∝ (1 + 2ωy²) e^{−ωy²}, ρ_x ∝ e^{−x²}; with spin down level 0."""
    sampler = RandomWalk(TRAP, steps, n_chains=2000, n_samples=2000, burn_in=100, exchanges=exchanges)
    samples, _, info = draw(sampler, LEVELS, jnp.arange(2000))
    first, _, last = np.moveaxis(np.asarray(samples[:, 0]), 1, 0)
    assert kstest(first[:, 0], "norm", (0, 2**-0.5)).pvalue > 1e-3
    assert kstest(last[:, 1], "norm", (0, (2 * OMEGA[1]) ** -0.5)).pvalue > 1e-3
    squares = OMEGA[1] * first[:, 1] ** 2
    assert abs(squares.mean() - 1.0) < 4 * squares.std() / 2000**0.5
    assert exchanges or 0.4 < float(info.n_accepted / info.n_proposed) < 0.62


@pytest.mark.parametrize("steps", STEPS)
def test_free_fermions_in_a_cell_keep_apart(steps):
    """Two equal spins with k = 0 and b along z: |ψ|² ∝ 1 − cos(2π(z_1 − z_2)/L), uniform in all else."""
    sampler = RandomWalk(CELL, steps, n_chains=2000, n_samples=2000, burn_in=60)
    samples, _, _ = draw(sampler, plane_waves(CELL, (0.0, 0.0, 0.1)), jnp.arange(2000))
    u = np.asarray(samples[:, 0]) / 2.5
    assert u.min() >= 0
    assert u.max() < 1
    assert kstest(u[:, 1, 2], "uniform").pvalue > 1e-3
    assert kstest(u[:, 2, 0], "uniform").pvalue > 1e-3
    apart = (u[:, 0, 2] - u[:, 1, 2]) % 1
    assert kstest(apart, lambda d: d - np.sin(2 * np.pi * d) / (2 * np.pi)).pvalue > 1e-3


def test_steps_are_no_wider_than_the_cell_where_every_one_is_accepted():
    """A constant ψ: the acceptance cannot be brought to one half, and the positions stay uniform."""
    space = Particles(1, 1, 3, 2.5 * np.eye(3))
    sampler = RandomWalk(space, "gaussian", n_chains=500, n_samples=500, burn_in=500)
    samples, x, _ = draw(sampler, plane_waves(space, (0.0, 0.0, 0.0)), jnp.arange(500))
    np.testing.assert_allclose(x[:, -1], np.log(2.5))
    assert kstest(np.asarray(samples[:, 0, 1, 2]) / 2.5, "uniform").pvalue > 1e-3


def test_chains_do_not_depend_on_how_they_are_divided_and_widths_freeze():
    sampler = RandomWalk(TRAP, "gaussian", n_chains=8, n_samples=16, burn_in=20)
    samples, x, _ = draw(sampler, LEVELS, jnp.arange(8))
    some, its_x, _ = draw(sampler, LEVELS, jnp.arange(3, 6))
    np.testing.assert_array_equal(some, samples[3:6])
    np.testing.assert_array_equal(its_x, x[3:6])
    _, frozen, _ = draw(sampler, LEVELS, jnp.arange(8), 0)
    np.testing.assert_array_equal(frozen[:, -1], np.full(8, np.log(0.5)))
    assert np.all(x[:, -1] != frozen[:, -1])


@pytest.mark.parametrize("steps", STEPS)
def test_hard_cores_that_overlap_at_the_start_come_apart(steps):
    """Of all starts 85% have two of the five within a distance of 0.8; later none has."""
    space = Particles(5, 0, 3, are_bosons=True)
    sampler = RandomWalk(space, steps, n_chains=50, n_samples=50, burn_in=100)
    ansatz = Product((Slater([Oscillator.lowest(1, (1.0,) * 3)] * 5, [1] * 5), HardCore(0.8)))
    samples, _, info = draw(sampler, ansatz, jnp.arange(50))
    x, (first, second) = np.asarray(samples[:, 0]), pairs(5)
    assert np.linalg.norm(x[:, first] - x[:, second], axis=-1).min() > 0.8
    assert float(info.n_accepted / info.n_proposed) < 0.8

"""What the Metropolis sampler draws is |ψ|², also where nearly every proposal is accepted."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import chi_square_p, rbm, wave_function

from hamiltonians.exact import all_states
from hamiltonians.lattice import Lattice
from hamiltonians.space import Spins
from nqs.sampler.base import sample, start_chains
from nqs.sampler.metropolis import Metropolis
from nqs.sampler.moves import Exchange, GlobalFlip, LocalFlip, all_pairs

N_CHAINS = 2048
SEEDS = 4
RING = Exchange(Lattice("chain", (6,)).edges())

run = eqx.filter_jit(sample)


def first_samples(sampler: Metropolis, ansatz, space: Spins, sweeps: int) -> np.ndarray:
    """The first sample of every chain for several seeds: independent ones. All chains start from one configuration."""
    batches = []
    for seed in range(SEEDS):
        key = jax.random.key(seed)
        x = jnp.tile(jnp.sort(space.random(key)), (N_CHAINS, 1))
        samples, _, _ = run(sampler, ansatz, key, jnp.arange(N_CHAINS), x, jnp.asarray(sweeps))
        batches.append(samples[:, 0])
    return np.stack(batches)


@pytest.mark.parametrize(
    ("n_sites", "total_sz", "moves", "weights", "stddev", "sweeps"),
    [
        (6, None, (LocalFlip(), GlobalFlip()), (0.7, 0.3), 0.3, 40),
        (6, 0.0, Exchange(all_pairs(6)), None, 0.5, 30),
        (6, 1.0, RING, None, 0.3, 60),
        (6, 0.0, (RING, GlobalFlip()), (3.0, 1.0), 0.3, 60),
    ],
    ids=["flip_global", "exchange", "exchange_ring", "exchange_global"],
)
def test_samples_follow_the_square_of_psi(n_sites, total_sz, moves, weights, stddev, sweeps):
    space = Spins(n_sites, total_sz)
    ansatz = rbm(visible_bias=True, stddev=stddev, n_sites=n_sites, seed=4)
    states = all_states(space)
    probabilities = np.abs(wave_function(ansatz, states)) ** 2
    assert probabilities.max() > 4 / len(states)
    sampler = Metropolis(moves, n_chains=N_CHAINS, n_samples=N_CHAINS, weights=weights)
    samples = first_samples(sampler, ansatz, space, sweeps)
    assert 1e-3 < chi_square_p(samples, states, probabilities) < 1 - 1e-3


def test_samples_of_a_complex_psi_follow_its_square():
    ansatz = rbm("complex128", visible_bias=True, stddev=0.5, n_sites=5, seed=4)
    states = all_states(Spins(5))
    sampler = Metropolis(LocalFlip(), n_chains=N_CHAINS, n_samples=N_CHAINS)
    probabilities = np.abs(wave_function(ansatz, states)) ** 2
    assert probabilities.max() > 4 / len(states)
    assert 1e-3 < chi_square_p(first_samples(sampler, ansatz, Spins(5), 40), states, probabilities) < 1 - 1e-3


@pytest.mark.parametrize("sweeps", [1, 2])
@pytest.mark.parametrize("n_sites", [5, 6])
def test_a_constant_psi_accepts_all_and_reaches_both_parities(n_sites, sweeps):
    """With always the same number of proposals every chain would keep to one parity for each sample in turn."""
    ansatz = rbm(stddev=0.0, n_sites=n_sites)
    sampler = Metropolis(LocalFlip(), n_chains=N_CHAINS, n_samples=8 * N_CHAINS, sweeps=sweeps)
    start = jnp.ones((N_CHAINS, n_sites), jnp.int8)
    samples, _, info = run(sampler, ansatz, jax.random.key(9), jnp.arange(N_CHAINS), start, jnp.asarray(10))
    assert float(info.n_accepted) == float(info.n_proposed)
    parities = np.prod(samples, axis=2)
    for sample_number in range(8):
        assert abs(np.sum(parities[:, sample_number])) < 4 * np.sqrt(N_CHAINS)
    changed = np.mean(parities[:, 1:] != parities[:, :-1])
    assert abs(changed - 0.5) < 4 * 0.5 / np.sqrt(7 * N_CHAINS)
    states = all_states(Spins(n_sites))
    uniform = np.full(len(states), 1 / len(states))
    assert 1e-3 < chi_square_p(np.asarray(samples[None, :, -1]), states, uniform) < 1 - 1e-3


def test_half_of_the_sweeps_have_one_proposal_more():
    sampler = Metropolis(LocalFlip(), n_chains=N_CHAINS, n_samples=8 * N_CHAINS)
    start = jnp.ones((N_CHAINS, 5), jnp.int8)
    _, _, info = run(
        sampler, rbm(stddev=0.0, n_sites=5), jax.random.key(2), jnp.arange(N_CHAINS), start, jnp.asarray(4)
    )
    n_sweeps = N_CHAINS * (4 + 8)
    longer = float(info.n_proposed) - 5 * n_sweeps
    assert abs(longer - n_sweeps / 2) < 4 * np.sqrt(n_sweeps) / 2


def test_null_exchanges_are_not_acceptances():
    """Of the pairs of a uniform configuration with Σ x = 0 a share (N/2)²/(N(N − 1)/2) = N/(2(N − 1)) is unequal."""
    ansatz = rbm(visible_bias=True, stddev=0.0)
    sampler = Metropolis(Exchange(all_pairs(6)), n_chains=N_CHAINS, n_samples=N_CHAINS)
    start = start_chains(Spins(6, 0.0), jax.random.key(0), jnp.arange(N_CHAINS))
    _, _, info = run(sampler, ansatz, jax.random.key(1), jnp.arange(N_CHAINS), start, jnp.asarray(3))
    share, proposed = 6 / (2 * 5), float(info.n_proposed)
    assert abs(float(info.n_accepted) / proposed - share) < 4 * np.sqrt(share * (1 - share) / proposed)


def test_start_configurations_are_uniform_and_belong_to_their_chains():
    space = Spins(6, 0.0)
    states = all_states(space)
    start = eqx.filter_jit(start_chains)
    x = np.stack([start(space, jax.random.key(seed), jnp.arange(N_CHAINS)) for seed in range(SEEDS)])
    assert 1e-3 < chi_square_p(x, states, np.full(20, 1 / 20)) < 1 - 1e-3
    np.testing.assert_array_equal(start(space, jax.random.key(3), jnp.arange(1000, 1100)), x[3, 1000:1100])

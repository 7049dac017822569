"""The Rényi-2 entropy: weights against the reduced density matrix, samples, error bars, conserved magnetisation."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import chi_square_p, log_psi, pair_product, rbm, wave_function

import nqs
from hamiltonians.exact import all_states
from hamiltonians.lattice import Lattice
from hamiltonians.sector import sector
from hamiltonians.space import Spins
from nqs.ansatz.jastrow import Jastrow
from nqs.ansatz.masked_dense import MaskedDense
from nqs.ansatz.projected import Projected
from nqs.blocks import Blocks, jackknife
from nqs.overlaps import independent_pairs
from nqs.parallel import Communicator
from nqs.renyi import (
    Replicas,
    joint_pairs,
    measure_renyi,
    minus_log_ratio,
    nested_regions,
    swap_terms,
)
from nqs.sampler.passes import SamplingPass

N_RUNS, N_CHAINS, PER_CHAIN = 400, 32, 10
FLIP = nqs.LocalFlip()


def entangled(n_sites: int, stddev: float) -> Jastrow:
    """A complex Jastrow factor: phases entangle, and moduli that vary little let the chains mix within a few sweeps."""
    return Jastrow(n_sites, key=jax.random.key(4), dtype="complex128", visible_bias=True, stddev=stddev)


def exact_purity(ansatz, space: Spins, region: np.ndarray) -> float:
    """Tr ρ_A² from the wave function as a matrix between the sites of A, a mask, and the others."""
    states = all_states(space)
    psi = wave_function(ansatz, states)
    rows, columns = ((states[:, sites] == 1) @ (1 << np.arange(sites.sum())) for sites in (region, ~region))
    matrix = np.zeros((1 << region.sum(), 1 << (~region).sum()), complex)
    matrix[rows, columns] = psi
    return float(np.sum(np.abs(matrix @ matrix.conj().T) ** 2))


def all_pairs_of_states(space: Spins) -> np.ndarray:
    states = all_states(space)
    first, second = np.divmod(np.arange(len(states) ** 2), len(states))
    return np.concatenate([states[first], states[second]], axis=1)


@pytest.mark.parametrize("total_sz", [None, 0.0])
def test_the_weights_add_up_to_the_purity(total_sz):
    """For every step Σ p·(w_A′/p) / Σ p·(w_A/p) over all pairs is Tr ρ_A′²/Tr ρ_A², with p as it is sampled."""
    space = Spins(6, total_sz)
    ansatz = rbm("complex128", visible_bias=True, stddev=0.6)
    pairs, states = all_pairs_of_states(space), all_states(space)
    densities = np.abs(wave_function(ansatz, states)) ** 2
    for number, (inner, outer) in enumerate(pairwise(nested_regions([0, 2, 3], 6, 2))):
        replicas = Replicas(ansatz, space, inner, outer)
        terms = swap_terms(replicas, jnp.asarray(pairs[None]), jnp.asarray(number == 0), 500)
        p = np.outer(densities, densities).ravel()
        if number > 0:
            p = np.exp(2 * np.asarray(log_psi(replicas, jnp.asarray(pairs))))
            p = p / p.sum()
            assert np.abs(terms["inner"]).max() <= 1 + 1e-12
            assert np.abs(terms["outer"]).max() <= 1 + 1e-12
        sums = {name: p @ np.asarray(values[0]) for name, values in terms.items()}
        expected = exact_purity(ansatz, space, outer) / exact_purity(ansatz, space, inner)
        assert 0.3 < expected < 0.99
        assert sums["outer"] / sums["inner"] == pytest.approx(expected, rel=1e-10)


def test_nested_regions():
    masks = nested_regions([5, 0, 3], 8, 2)
    assert [np.flatnonzero(mask).tolist() for mask in masks] == [[], [0, 3], [0, 3, 5]]
    complement = nested_regions([0, 1, 2, 3, 6], 8, 2)
    assert [np.flatnonzero(mask).tolist() for mask in complement] == [[], [4, 5], [4, 5, 7]]
    assert nested_regions(range(4), 4).shape == (1, 4)


@pytest.mark.slow
def test_both_replicas_are_sampled_together():
    """With one region for both terms, only an exchange in both replicas at once changes the magnetisation of it."""
    space, n = Spins(4, 0.0), 2048
    region = nested_regions([0, 2], 4)[1]
    replicas = Replicas(entangled(4, 0.1), space, region, region)
    sampler = nqs.Metropolis((FLIP, nqs.GlobalFlip()), n_chains=n, n_samples=n)
    sampling = SamplingPass(space, sampler, Communicator(), n, 20)
    batches = [next(joint_pairs(sampling, replicas, jax.random.key(seed), ""))[:, 0] for seed in range(2)]
    pairs = all_pairs_of_states(space)
    p = np.exp(2 * np.asarray(log_psi(replicas, jnp.asarray(pairs))))
    possible = p > 0
    assert possible.sum() == 1 + 16 + 1
    assert 1e-3 < chi_square_p(np.stack(batches), pairs[possible], p[possible] / p.sum()) < 1 - 1e-3


@pytest.mark.slow
def test_z_scores_of_the_entropy():
    """400 independent runs at once, of two steps each."""
    space, region = Spins(6), [0, 1, 2]
    ansatz = entangled(6, 0.15)
    all_chains = N_RUNS * N_CHAINS
    sampler = nqs.Metropolis(FLIP, all_chains, all_chains * PER_CHAIN)
    values, variances = np.zeros(N_RUNS), np.zeros(N_RUNS)
    masks = nested_regions(region, 6, 2)
    for number, (inner, outer) in enumerate(pairwise(masks)):
        replicas = Replicas(ansatz, space, inner, outer)
        sampling, key = SamplingPass(space, sampler, Communicator(), sampler.n_samples, 10), jax.random.key(number)
        if number == 0:
            ((first, second),) = independent_pairs(sampling, ansatz, key, "")
            samples = jnp.concatenate([first, second], axis=-1)
        else:
            (samples,) = joint_pairs(sampling, replicas, key, "")
        blocks = Blocks(N_CHAINS, PER_CHAIN)
        terms = swap_terms(replicas, samples, jnp.asarray(number == 0), 20000)
        blocks.add(jax.tree.map(np.asarray, terms))
        sums = blocks.gathered(Communicator())
        for run in range(N_RUNS):
            part = {name: array[run * N_CHAINS :][:N_CHAINS] for name, array in sums.items()}
            value, error = jackknife(minus_log_ratio, part, blocks.sizes)
            values[run] += value
            variances[run] += error**2
    z = (values + np.log(exact_purity(ansatz, space, masks[-1]))) / np.sqrt(variances)
    assert abs(z.mean()) < 3 / np.sqrt(N_RUNS)
    assert abs(z.std() - 1) < 0.15


@pytest.mark.parametrize("region", [[1, 2, 4, 5, 7], range(8)], ids=["part", "all"])
def test_the_measured_entropy(region):
    """Within 4 errors, with an error that would show a wrong factor; the entropy of all sites is exactly zero."""
    space, ansatz = Spins(8, 0.0), entangled(8, 0.15)
    sampler = nqs.Metropolis(nqs.Exchange(Lattice("chain", (8,)).edges()), n_chains=64, n_samples=1024)
    sampling = SamplingPass(space, sampler, Communicator(), 8192, 20)
    found = measure_renyi(sampling, ansatz, jax.random.key(0), 512, region, 2)
    mask = np.isin(np.arange(8), region)
    if mask.all():
        assert (found.mean, found.error) == (0.0, 0.0)
        return
    expected = -np.log(exact_purity(ansatz, space, mask))
    assert 0 < found.error < 0.1 * expected
    assert abs(found.mean - expected) < 4 * found.error


@pytest.mark.parametrize("name", ["pair_product", pytest.param("masked_dense", marks=pytest.mark.slow)])
def test_the_entropy_of_a_state_that_vanishes_outside_its_magnetisation(name):
    """In two steps: between them the swapped halves come and go from where ψ is zero."""
    space, mask = Spins(8, 0.0), np.isin(np.arange(8), [1, 2, 4, 5])
    ansatz = pair_product(8) if name == "pair_product" else MaskedDense(space, (7,), key=jax.random.key(6))
    sampler = nqs.Metropolis(nqs.Exchange(Lattice("chain", (8,)).edges()), n_chains=64, n_samples=1024)
    sampling = SamplingPass(space, sampler, Communicator(), 8192, 20)
    found = measure_renyi(sampling, ansatz, jax.random.key(0), 512, np.flatnonzero(mask).tolist(), 2)
    expected = -np.log(exact_purity(ansatz, space, mask))
    assert 0 < found.error < 0.1 * expected
    assert abs(found.mean - expected) < 4 * found.error


@pytest.mark.slow
def test_the_entropy_of_a_state_with_nodes():
    """Odd under a reflection of the ring: ψ = 0 where that changes nothing, and no ratio leads back from there."""
    ring, space = Lattice("chain", (6,)), Spins(6)
    ansatz = Projected(rbm("complex128", stddev=0.4), sector(ring, 6, None, "A2"))
    assert np.sum(np.abs(wave_function(ansatz, all_states(space))) < 1e-12) > 5
    region = np.isin(np.arange(6), [0, 1, 2])
    sampling = SamplingPass(space, nqs.Metropolis(FLIP, 256, 1024), Communicator(), 16384, 50)
    found = measure_renyi(sampling, ansatz, jax.random.key(1), 500, [0, 1, 2], 2)
    assert abs(found.mean + np.log(exact_purity(ansatz, space, region))) < 4 * found.error
    assert found.error < 0.1


def test_a_stop_ends_the_pass():
    sampler = nqs.Metropolis(FLIP, n_chains=8, n_samples=16)
    sampling = SamplingPass(Spins(6), sampler, Communicator(), 64, 0, lambda: True)
    assert measure_renyi(sampling, rbm(), jax.random.key(0), 64, [0, 1]) is None

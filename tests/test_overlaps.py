"""The distribution of the overlap of two replicas, against sums over all pairs of states."""

import jax
import numpy as np
import pytest
from systems import rbm, wave_function

import nqs
from hamiltonians.exact import all_states
from hamiltonians.space import Spins
from nqs.overlaps import measure_overlaps
from nqs.parallel import Communicator
from nqs.sampler.moves import all_pairs
from nqs.sampler.passes import SamplingPass

N_SAMPLES = 32768


@pytest.mark.parametrize("total_sz", [pytest.param(None, marks=pytest.mark.slow), 1.0])
def test_the_distribution_of_the_overlap(total_sz):
    """Every share within 4.5 errors, those of independent pairs to 30 %; only values that can be are there."""
    space, ansatz = Spins(6, total_sz), rbm("complex128", visible_bias=True, stddev=0.2)
    move = nqs.LocalFlip() if total_sz is None else nqs.Exchange(all_pairs(6))
    sampler = nqs.Metropolis(move, n_chains=512, n_samples=4096, sweeps=12)
    sampling = SamplingPass(space, sampler, Communicator(), N_SAMPLES, 20)
    found = measure_overlaps(sampling, ansatz, jax.random.key(0))
    assert found is not None
    mean, error = np.asarray(found.mean), np.asarray(found.error)
    states = all_states(space)
    p = np.abs(wave_function(ansatz, states)) ** 2
    q = states.astype(int) @ states.T.astype(int) / 6
    exact = np.array([np.outer(p, p)[np.isclose(q, value)].sum() for value in found.axes["q"]]) / p.sum() ** 2
    assert np.all(exact > 0)
    assert len(exact) == (7 if total_sz is None else 3)
    assert mean.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(error, np.sqrt(exact * (1 - exact) / N_SAMPLES), rtol=0.3)
    assert np.all(np.abs(mean - exact) <= 4.5 * error)


def test_a_pass_that_is_stopped_has_no_distribution():
    sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=8, n_samples=8)
    sampling = SamplingPass(Spins(6), sampler, Communicator(), 64, 5, lambda: True)
    assert measure_overlaps(sampling, rbm("float64"), jax.random.key(0)) is None

"""Parameters that are averaged over the last steps for the measured energy."""

import jax
import numpy as np
import pytest
from launching import SMALL, call
from systems import wave_function

import nqs
from hamiltonians.exact import all_states, sparse_matrix
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from nqs import results
from nqs.build import with_parameters

RING = TransverseIsing(Lattice("chain", (6,)), transverse_field=0.8)


def vmc(average_steps: int) -> nqs.VMC:
    ansatz = nqs.RBM(6, key=jax.random.key(0), stddev=0.1)
    return nqs.VMC(RING, ansatz, nqs.Metropolis(nqs.LocalFlip(), 16, 64), nqs.sgd(0.1), average_steps=average_steps)


def exact_energy(ansatz) -> float:
    psi = wave_function(ansatz, all_states(RING.space))
    return float(np.vdot(psi, sparse_matrix(RING) @ psi).real)


def test_the_average_follows_its_recursion_and_is_continued_bit_for_bit(tmp_path):
    weights = [vmc(1).run(steps, measure_samples=16, measure_burn_in=50).parameters["weights"] for steps in range(1, 8)]
    expected = np.zeros_like(weights[0])
    for t, after_step in enumerate(weights, start=1):
        expected += (after_step - expected) / min(t, 3)
    whole = vmc(3).run(7, measure_samples=512, measure_burn_in=50)
    np.testing.assert_array_equal(whole.parameters["weights"], weights[-1])
    np.testing.assert_allclose(whole.averaged["weights"], expected, rtol=1e-12)
    np.testing.assert_array_equal(whole.ansatz.weights, whole.averaged["weights"])
    assert whole.measured["energy"] != vmc(1).run(7, measure_samples=512, measure_burn_in=50).measured["energy"]
    vmc(3).run(4, measure_samples=16, measure_burn_in=50, output=tmp_path / "x.h5")
    continued = vmc(3).run(7, measure_samples=512, measure_burn_in=50, previous=results.read(tmp_path / "x.h5"))
    np.testing.assert_array_equal(continued.averaged["weights"], whole.averaged["weights"])
    assert continued.measured == whole.measured


@pytest.mark.slow
def test_the_energy_of_the_average_has_less_of_the_noise_of_the_steps():
    """A machine of one hidden unit is far from an eigenstate, and the last parameters are off by the noise of steps."""
    ansatz, sampler = nqs.RBM(6, 1 / 6, key=jax.random.key(0), stddev=0.3), nqs.Metropolis(nqs.LocalFlip(), 16, 16)
    for seed in range(2):
        run = nqs.VMC(RING, ansatz, sampler, nqs.sgd(0.1), average_steps=40, seed=seed)
        result = run.run(200, measure_samples=8192, measure_burn_in=50)
        last = with_parameters(result.ansatz, result.parameters)
        assert exact_energy(result.ansatz) < exact_energy(last) - 1e-3
        assert abs(result.measured["energy"] - exact_energy(result.ansatz)) < 4 * result.measured["energy_error"]


def test_a_result_is_measured_and_started_from_at_its_averaged_parameters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    assert call("run", "small.toml", "--measure.average_steps", 4, "--run.output", "x.h5") == 0
    before = results.read(tmp_path / "x.h5")
    assert not np.array_equal(before.averaged["weights"], before.parameters["weights"])
    assert call("measure", "x.h5", "--region", "0") == 0
    assert results.read(tmp_path / "x.h5").measured["energy"] == before.measured["energy"]
    assert call("run", "small.toml", "--run.steps", 0, "--run.init_from", "x.h5", "--run.output", "y.h5") == 0
    np.testing.assert_array_equal(results.read(tmp_path / "y.h5").parameters["weights"], before.averaged["weights"])

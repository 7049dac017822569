"""The way back from an exploding variance to the last good parameters."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nqs
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from nqs import results
from nqs.errors import InputError, RunError
from nqs.optimizer import Optimizer, limited
from nqs.state import GOOD_EVERY, State, guarded

RING = TransverseIsing(Lattice("chain", (8,)), transverse_field=0.8)


def vmc(optimizer: Optimizer, roll_back: float | None, average_steps: int = 1) -> nqs.VMC:
    ansatz = nqs.RBM(8, key=jax.random.key(0), stddev=0.1)
    sampler = nqs.Metropolis(nqs.LocalFlip(), 16, 64)
    return nqs.VMC(RING, ansatz, sampler, limited(optimizer, roll_back=roll_back), seed=2, average_steps=average_steps)


def at(step: int, **entries) -> State:
    return State(
        step, np.full(2, float(step)), jnp.full((1, 3), step, jnp.int8), None, 0.0, np.ones((1, 2, 1)), **entries
    )


def test_what_is_good_and_what_is_an_explosion():
    first = guarded(at(0), at(1), 4.0, 0.5, 100.0)
    assert (first.good.step, first.lowest_variance, first.scale) == (0, 4.0, 1.0)
    np.testing.assert_array_equal(first.good.x, at(1).x)
    here = {"good": first.good, "lowest_variance": 4.0, "scale": 0.5}
    calm = guarded(at(GOOD_EVERY, **here), at(GOOD_EVERY + 1), 39.0, 0.5, 100.0)
    assert (calm.good.step, calm.lowest_variance, calm.scale) == (GOOD_EVERY, 4.0, 0.5)
    lower = guarded(at(7, **here), at(8), 3.0, 0.5, 100.0)
    assert (lower.good.step, lower.lowest_variance) == (0, 3.0)
    assert guarded(at(GOOD_EVERY, **here), at(GOOD_EVERY + 1), 41.0, 0.5, 100.0).good.step == 0
    exploded = guarded(at(30, **here), at(31), 401.0, 0.5, 100.0)
    assert (exploded.step, exploded.scale, exploded.good.step, len(exploded.window)) == (31, 0.25, 0, 0)
    np.testing.assert_array_equal(exploded.theta, [0.0, 0.0])
    np.testing.assert_array_equal(exploded.x, at(1).x)
    again = guarded(replace(exploded, step=31), at(32), 5000.0, 0.5, 100.0)
    assert (again.lowest_variance, again.scale, again.step) == (5000.0, 0.25, 32)
    frozen = guarded(at(GOOD_EVERY, **here), at(GOOD_EVERY + 1), 1e-9, 0.0, 100.0)
    assert (frozen.good.step, frozen.lowest_variance) == (0, 4.0)
    assert guarded(at(30), at(31), 401.0, 0.5, None).good is None


def test_a_run_that_explodes_ends_well_with_a_way_back(caplog):
    """A rate of 0.5 ends where nothing is finite or no chain moves; with halved changes the ground state is near."""
    options, exact = {"measure_samples": 512, "measure_burn_in": 50}, RING.reference_energy()
    try:
        lost = vmc(nqs.minsr(0.5, 1e-4), None).run(120, **options).measured["energy"]
    except RunError:
        lost = np.inf
    assert lost > 0.9 * exact
    rescued = vmc(nqs.minsr(0.5, 1e-4), 100.0).run(120, **options)
    energy, error = rescued.measured["energy"], rescued.measured["energy_error"]
    assert -3 * error < energy - exact < 0.01 * abs(exact)
    assert rescued.state["scale"] < 1
    assert "roll_back" in {warning["kind"] for warning in rescued.warnings}
    assert "the variance exploded: back to step" in caplog.text


@pytest.mark.parametrize("average_steps", [1, 5])
def test_a_continued_run_goes_back_to_the_same_parameters(tmp_path, average_steps):
    options = {"measure_samples": 512, "measure_burn_in": 50}
    whole = vmc(nqs.adam(1.0), 3.0, average_steps).run(45, **options)
    assert whole.state["scale"] < 0.5
    for steps in (1, 23, 45):
        vmc(nqs.adam(1.0), 3.0, average_steps).run(steps, output=tmp_path / f"{steps}.h5", **options)
        kept = results.read(tmp_path / f"{steps}.h5")
        continued = vmc(nqs.adam(1.0), 3.0, average_steps).run(45, previous=kept, **options)
        np.testing.assert_array_equal(continued.history["energy"], whole.history["energy"])
        assert continued.measured == whole.measured


def test_a_good_state_that_does_not_fit_is_refused(tmp_path):
    vmc(nqs.sgd(0.1), 10.0).run(2, output=tmp_path / "x.h5", measure_samples=16, measure_burn_in=1)
    kept = results.read(tmp_path / "x.h5")
    damaged = replace(kept, state={**kept.state, "good": {**kept.state["good"], "parameters": np.zeros(3)}})
    with pytest.raises(InputError, match="good parameters"):
        vmc(nqs.sgd(0.1), 10.0).run(3, previous=damaged)
    kept.state["good"]["optimizer"] = [np.zeros(2)]
    with pytest.raises(InputError, match="optimiser state"):
        vmc(nqs.sgd(0.1), 10.0).run(3, previous=kept)

"""Chains of optax transforms from a run file, and any transform from a script."""

import inspect

import jax
import numpy as np
import optax
import pytest

import nqs
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from nqs import files
from nqs.build import build_optimizer
from nqs.optimizer import limited, restore_state, state_arrays
from nqs.results import HISTORY
from nqs.run_file import parse_text
from nqs.schema_optimizer import TRANSFORMS

REQUIRED = {"clipping": 0.1, "max_delta": 0.2, "threshold": 0.3, "max_norm": 0.4, "decay": 0.5, "step_size": 0.6}
THETA = np.linspace(0.1, 1.0, 5)
GRADIENT = np.linspace(-3.0, 4.0, 5)


def optimizer(*chain: str, more: str = "learning_rate = 0.1") -> nqs.Optimizer:
    """That of a run file."""
    text = '[hamiltonian]\nkind = "transverse_ising"\nextent = [6]\n[optimizer]\nkind = "optax"\n'
    return build_optimizer(parse_text(f"{text}chain = [{', '.join(chain)}]\n{more}", "x.toml").optimizer)


def table(name: str) -> str:
    """A transform with what it requires."""
    parameters = inspect.signature(getattr(optax, name)).parameters.values()
    required = [one.name for one in parameters if one.default is inspect.Parameter.empty]
    return "{" + ", ".join([f'transform = "{name}"', *(f"{key} = {REQUIRED[key]}" for key in required)]) + "}"


def steps(optimizer: nqs.Optimizer, theta: np.ndarray, state, n_steps: int):
    for _ in range(n_steps):
        theta, state = optimizer.update(np.sin(3 * theta), state, theta)
    return theta, state


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_goes_on_from_its_saved_state_bit_for_bit(tmp_path, name):
    one = optimizer(table("trace"), table(name))
    whole, _ = steps(one, THETA, one.init(THETA), 5)
    theta, state = steps(one, THETA, one.init(THETA), 3)
    arrays = {str(i): files.Dataset(array) for i, array in enumerate(state_arrays(state))}
    files.write(tmp_path / "state.h5", files.Group(arrays))
    kept = files.read(tmp_path / "state.h5").items
    restored = restore_state(one.init(THETA), [np.asarray(kept[name].values) for name in arrays])
    np.testing.assert_array_equal(steps(one, theta, restored, 2)[0], whole)
    assert whole.dtype == np.float64
    assert np.all(np.isfinite(whole))
    assert np.any(whole != THETA)


def test_the_arguments_the_order_and_the_scale_of_the_change_count():
    clipped = np.clip(GRADIENT, -1.0, 1.0)
    clip, double = '{transform = "clip", max_delta = 1.0}', '{transform = "scale", step_size = 2.0}'
    for chain, expected in (((clip, double), 2 * clipped), ((double, clip), np.clip(2 * GRADIENT, -1.0, 1.0))):
        one = optimizer(*chain)
        theta, _ = one.update(GRADIENT, one.init(THETA), THETA, 0.5)
        np.testing.assert_allclose(theta, THETA - 0.5 * 0.1 * expected, rtol=1e-14)
    one = optimizer(double, more="learning_rate = 0.1\nmax_norm = 0.01")
    theta, _ = one.update(GRADIENT, one.init(THETA), THETA)
    assert np.linalg.norm(theta - THETA) == pytest.approx(0.01)


def test_the_learning_rate_follows_its_schedule():
    schedule = '{schedule = "linear_schedule", init_value = 0.1, end_value = 0.0, transition_steps = 2}'
    one = optimizer('{transform = "scale_by_sign"}', more=f"learning_rate = {schedule}")
    theta, state, changes = THETA, one.init(THETA), []
    for _ in range(3):
        before, (theta, state) = theta, one.update(GRADIENT + 0.1, state, theta)
        changes.append(np.abs(theta - before).max())
    np.testing.assert_allclose(changes, [0.1, 0.05, 0.0], atol=1e-15)


def run(optimizer: nqs.Optimizer, n_steps: int, **options) -> nqs.results.Result:
    hamiltonian = TransverseIsing(Lattice("chain", (8,)), transverse_field=0.8)
    ansatz = nqs.RBM(8, key=jax.random.key(0), stddev=0.1)
    vmc = nqs.VMC(hamiltonian, ansatz, nqs.Metropolis(nqs.LocalFlip(), 16, 64), optimizer, seed=2)
    return vmc.run(n_steps, measure_samples=64, measure_burn_in=5, **options)


def test_a_run_rolls_back_and_continues_as_with_adam(tmp_path):
    """The same rates of the moments, at a learning rate that explodes."""
    chain = optimizer('{transform = "scale_by_adam", b1 = 0.8}', more="learning_rate = 1.0\nroll_back = 3.0")
    adam = run(limited(nqs.adam(1.0, b1=0.8), roll_back=3.0), 30)
    assert adam.state["scale"] < 0.5
    run(chain, 23, output=tmp_path / "x.h5")
    continued = run(chain, 30, previous=nqs.load(tmp_path / "x.h5"))
    for found in (run(chain, 30), continued):
        for name in set(HISTORY) - {"wall_time"}:
            np.testing.assert_array_equal(found.history[name], adam.history[name], err_msg=name)
        assert found.state["scale"] == adam.state["scale"]


def test_a_script_takes_any_transform():
    given, own = run(nqs.from_optax(optax.adam(0.05)), 5), run(nqs.adam(0.05), 5)
    np.testing.assert_allclose(given.history["energy"], own.history["energy"], rtol=1e-12)

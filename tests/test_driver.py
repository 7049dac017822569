"""The loop: energies that are right, runs that continue exactly, failures that are named."""

from dataclasses import replace

import jax
import numpy as np
import optax
import pytest

import nqs
from hamiltonians.exact import ground_state
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from hamiltonians.sherrington_kirkpatrick import SherringtonKirkpatrick, gaussian_couplings
from nqs import results
from nqs.errors import InputError, RunError

RING = TransverseIsing(Lattice("chain", (8,)), transverse_field=0.8)
SK = SherringtonKirkpatrick(gaussian_couplings(10, 0), 1.0)
SPINS = Heisenberg(Lattice("chain", (10,)))

LION = optax.chain(optax.clip_by_global_norm(1.0), optax.lion(0.01))
OPTIMIZERS = [
    nqs.sgd(0.2),
    nqs.adam(0.05),
    nqs.from_optax(LION),
    nqs.sr(0.1),
    nqs.sr(0.1, solver="cg"),
    nqs.minsr(0.1),
    nqs.spring(0.05),
    nqs.auto(0.1),
]


def vmc(hamiltonian=RING, optimizer=None, ansatz=None, move=None, **options):
    n_sites = hamiltonian.space.n_sites
    ansatz = ansatz or nqs.RBM(n_sites, 1, key=jax.random.key(0), stddev=options.pop("stddev", 0.05))
    sampler = nqs.Metropolis(move or nqs.LocalFlip(), n_chains=32, n_samples=options.pop("n_samples", 256))
    return nqs.VMC(hamiltonian, ansatz, sampler, optimizer or nqs.sr(0.1), seed=1, **options)


def assert_reaches(measured: dict[str, float], exact: float, accuracy: float):
    """Two-sided: not below the exact energy, and close to it beyond the noise."""
    error = measured["energy_error"]
    assert measured["energy"] - exact > -3 * error
    assert (measured["energy"] - exact + 3 * error) / abs(exact) < accuracy


@pytest.mark.parametrize(
    ("hamiltonian", "move", "accuracy"),
    [
        (RING, None, 1e-3),
        pytest.param(SK, None, 1e-3, marks=pytest.mark.slow),
        pytest.param(SPINS, nqs.Exchange(SPINS.lattice.edges()), 5e-3, marks=pytest.mark.slow),
    ],
    ids=["ising", "sherrington_kirkpatrick", "heisenberg"],
)
def test_the_measured_energy_reaches_the_ground_state(hamiltonian, move, accuracy):
    result = vmc(hamiltonian, move=move).run(150, measure_samples=16384)
    assert result.status == "complete"
    assert result.measured["rhat"] < 1.02
    assert_reaches(result.measured, ground_state(hamiltonian)[0][0], accuracy)


@pytest.mark.parametrize(
    "ansatz", ["ffn_phase", *(pytest.param(name, marks=pytest.mark.slow) for name in ("rbm_complex", "ffn", "flax"))]
)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimiser_lowers_the_energy_of_every_ansatz(ansatz, optimizer):
    import netket

    key = jax.random.key(2)
    ansatz = {
        "rbm_complex": lambda: nqs.RBM(8, 1, key=key, dtype="complex128", stddev=0.1),
        "ffn_phase": lambda: nqs.FeedForward(8, (6,), key=key, phase=True),
        "ffn": lambda: nqs.FeedForward(8, (6, 6), key=key, activation="tanh"),
        "flax": lambda: nqs.FlaxAnsatz(netket.models.RBM(alpha=1, param_dtype=complex), 8, key=key),
    }[ansatz]()
    result = vmc(optimizer=optimizer, ansatz=ansatz).run(27, measure_samples=256, measure_burn_in=50)
    energy = result.history["energy"]
    assert energy[-3:].mean() < energy[:3].mean() - 3 * result.history["energy_error"][:3].mean()
    assert abs(result.measured["energy_imaginary"]) < 5 * result.measured["energy_imaginary_error"] + 1e-12


def test_float32_networks_have_float64_sums_and_the_same_energy():
    ansatz = nqs.RBM(8, 1, key=jax.random.key(0), dtype="float32", stddev=0.05)
    result = vmc(ansatz=ansatz).run(60, measure_samples=8192, measure_burn_in=50)
    assert result.ansatz.weights.dtype == np.float32
    assert result.parameters["weights"].dtype == np.float64
    assert_reaches(result.measured, RING.reference_energy(), 3e-3)


def test_a_learning_rate_schedule_is_followed():
    def run(steps):
        schedule = optax.schedules.piecewise_constant_schedule(0.05, {3: 0.0})
        return vmc(optimizer=nqs.sgd(schedule)).run(steps, measure_samples=256, measure_burn_in=50).parameters

    one_step, three_steps, six_steps = run(1), run(3), run(6)
    for name, values in three_steps.items():
        np.testing.assert_array_equal(six_steps[name], values)
        assert not np.array_equal(one_step[name], values)


def test_history_and_measured_have_the_columns_of_the_schema():
    result = vmc().run(40, measure_samples=1000, measure_burn_in=50)
    history = result.history
    assert set(history) == set(results.HISTORY)
    assert set(result.measured) == set(results.MEASURED)
    assert result.measured["n_samples"] == 1024
    np.testing.assert_array_equal(history["step"], np.arange(40))
    assert np.isnan(history["rhat"][:3]).all()
    assert np.isfinite(history["rhat"][3:]).all()
    np.testing.assert_allclose(history["v_score"], 8 * history["variance"] / history["energy"] ** 2)
    assert (np.diff(history["wall_time"]) > 0).all()


def test_all_chains_start_anew_every_so_many_steps():
    """Then the samples do not depend on where the chains were before; at other steps they do."""
    run = vmc(restart_steps=4)
    state = run.initial_state()
    other = replace(state, x=-state.x)
    for step, is_anew in ((3, False), (4, True), (6, False), (8, True)):
        ends = [run.step(replace(one, step=step), lambda: np.zeros(2))[0] for one in (state, other)]
        assert np.array_equal(ends[0].x, ends[1].x) == is_anew
    chains = [run.step(replace(state, step=step), lambda: np.zeros(2))[0].x for step in (4, 8)]
    assert not np.array_equal(*chains)


@pytest.mark.parametrize(
    "optimizer",
    [nqs.sgd(0.02), nqs.adam(0.02), nqs.from_optax(LION), nqs.sr(0.1), nqs.spring(0.05)],
    ids=["sgd", "adam", "optax", "sr", "spring"],
)
def test_a_continued_run_equals_the_uninterrupted_one_bit_for_bit(tmp_path, optimizer):
    whole = vmc(optimizer=optimizer).run(40, measure_samples=512, measure_burn_in=50)
    vmc(optimizer=optimizer).run(35, measure_samples=256, measure_burn_in=50, output=tmp_path / "x.h5")
    previous = nqs.load(tmp_path / "x.h5")
    continued = vmc(optimizer=optimizer).run(40, measure_samples=512, measure_burn_in=50, previous=previous)
    assert len(continued.provenance) == 2
    for name in set(results.HISTORY) - {"wall_time"}:
        np.testing.assert_array_equal(continued.history[name], whole.history[name], err_msg=name)
    assert continued.measured == whole.measured


def test_a_result_of_a_script_loads_into_an_ansatz(tmp_path):
    run = vmc(SK)
    result = run.run(2, measure_samples=256, measure_burn_in=50, output=tmp_path / "x.h5")
    assert nqs.load(tmp_path / "x.h5").ansatz is None
    loaded = nqs.load(tmp_path / "x.h5", ansatz=run.ansatz)
    np.testing.assert_array_equal(loaded.ansatz.weights, result.ansatz.weights)
    np.testing.assert_array_equal(loaded.instance["couplings"], gaussian_couplings(10, 0))
    with pytest.raises(InputError, match="exists"):
        run.run(2, output=tmp_path / "x.h5")
    other = SherringtonKirkpatrick(gaussian_couplings(10, 1), 1.0)
    with pytest.raises(InputError, match="couplings are not those of the result"):
        vmc(other).run(3, previous=loaded)


def test_a_non_finite_energy_stops_the_run_and_keeps_the_last_good_snapshot(tmp_path):
    diverging = vmc(optimizer=nqs.sgd(1e200))
    with pytest.raises(RunError, match=r"step \d+"):
        diverging.run(10, output=tmp_path / "x.h5")
    kept = results.read(tmp_path / "x.h5")
    assert kept.status == "failed"
    assert all(np.isfinite(values).all() for values in kept.parameters.values())


def test_a_stop_file_ends_the_run_with_a_snapshot(tmp_path):
    stop = tmp_path / "x.h5.stop"
    result = vmc().run(10**6, output=tmp_path / "x.h5", on_step=lambda row: stop.touch() if row["step"] == 3 else None)
    assert result.status == "interrupted"
    assert results.read(tmp_path / "x.h5").n_steps == result.n_steps < 10**6
    assert not stop.exists()

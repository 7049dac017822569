"""Warnings of the physics: each is given once, where it is due, and is kept in the result."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from launching import small_vmc
from systems import HAMILTONIANS

import nqs
from hamiltonians.exact import ground_state
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from hamiltonians.pauli_strings import PauliStrings
from nqs import results
from nqs.errors import RunError
from nqs.guards import measured_warnings, sign_warnings, step_warnings

GOOD = {"step": 0.0, "energy": -8.0, "energy_error": 0.1, "variance": 2.0, "acceptance": 0.4, "rhat": 1.01}
MEASURED = GOOD | {"rhat_order": 1.01}


def history(n_steps: int = 40, **last: float) -> dict[str, list[float]]:
    return {name: [value] * (n_steps - 1) + [last.get(name, value)] for name, value in GOOD.items()}


def kinds(found) -> list[str]:
    return [kind for kind, _ in found]


def test_a_good_history_has_no_warnings():
    assert kinds(step_warnings(history(), -9.0)) == []
    assert kinds(measured_warnings(MEASURED, -9.0)) == []


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ({"energy": -9.51}, "below_bound"),
        ({"rhat": 1.2}, "rhat"),
        ({"variance": 201.0}, "variance"),
        ({"variance": 0.0, "acceptance": 0.0}, "alike"),
    ],
)
def test_each_warning_of_a_step(last, kind):
    assert kinds(step_warnings(history(**last), -9.0)) == [kind]


@pytest.mark.parametrize("last", [{"energy": -9.49}, {"rhat": 1.09}, {"variance": 199.0}, {"rhat": np.nan}])
def test_what_is_within_bounds_is_not_warned_about(last):
    assert kinds(step_warnings(history(**last), -9.0)) == []


SIGNS = {
    "ising": (TransverseIsing(Lattice("chain", (4,)), -1.0, 1.0), False),
    "turned_ising": (TransverseIsing(Lattice("chain", (4,)), 1.0, -1.0), True),
    "marshall": (Heisenberg(Lattice("square", (4, 4))), False),
    "no_marshall": (Heisenberg(Lattice("square", (4, 4)), marshall=False), True),
    "ferromagnet": (Heisenberg(Lattice("triangular", (3, 4)), -1.0), False),
    "frustrated": (Heisenberg(Lattice("triangular", (3, 4))), True),
    "j1j2": (Heisenberg(Lattice("square", (4, 4)), second_coupling=0.5), True),
    "imaginary": (PauliStrings({"XYI": 1.0, "IIX": -1.0}), True),
    "classical": (PauliStrings({"ZZI": 1.0}), False),
}


@pytest.mark.parametrize("name", SIGNS)
def test_a_positive_wave_function_of_a_hamiltonian_with_signs_is_warned_about(name):
    hamiltonian, has_signs = SIGNS[name]
    assert kinds(sign_warnings(hamiltonian, True)) == ["positive"] * has_signs
    assert kinds(sign_warnings(hamiltonian, False)) == []


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_warning_of_signs_is_in_the_result(dtype):
    ring = Heisenberg(Lattice("chain", (4,)), marshall=False)
    ansatz = nqs.RBM(4, 1, key=jax.random.key(0), dtype=dtype)
    run = nqs.VMC(ring, ansatz, nqs.Metropolis(nqs.Exchange(Lattice("chain", (4,)).edges()), 8, 16), nqs.sgd())
    found = [w["kind"] for w in run.run(1, measure_samples=64, measure_burn_in=10).warnings]
    assert ("positive" in found) == (dtype == "float64")


def test_a_variance_that_grows_slowly_is_warned_about():
    growing = {"variance": [2.0 * 1.2**step for step in range(40)]}
    assert kinds(step_warnings(history() | growing, -9.0)) == ["variance"]
    assert kinds(step_warnings({name: values[:20] for name, values in (history() | growing).items()}, -9.0)) == []


@pytest.mark.parametrize(("acceptance", "kind"), [(0.001, "low_acceptance"), (0.999, "high_acceptance")])
def test_acceptance_counts_over_a_window(acceptance, kind):
    columns = history() | {"acceptance": [acceptance] * 40}
    assert kinds(step_warnings(columns, -9.0)) == [kind]
    assert kinds(step_warnings({name: values[:20] for name, values in columns.items()}, -9.0)) == []
    assert kinds(measured_warnings(MEASURED | {"acceptance": acceptance}, -9.0)) == [f"measured_{kind}"]


def test_direct_sampling_accepts_everything():
    columns = history() | {"acceptance": [1.0] * 40}
    assert kinds(step_warnings(columns, -9.0, is_direct=True)) == []
    assert kinds(measured_warnings(MEASURED | {"acceptance": 1.0}, -9.0, is_direct=True)) == []
    collapsed = MEASURED | {"acceptance": 1.0, "variance": 0.0}
    assert kinds(measured_warnings(collapsed, -9.0, is_direct=True)) == ["measured_alike"]


def test_chains_that_disagree_about_the_measured_energy():
    assert kinds(measured_warnings(MEASURED | {"rhat": 1.3}, -9.0)) == ["measured_rhat"]


@pytest.mark.parametrize("name", HAMILTONIANS)
def test_no_state_lies_below_the_lower_bound(name):
    hamiltonian = HAMILTONIANS[name]
    energy = ground_state(hamiltonian)[0][0]
    assert 3 * energy < hamiltonian.lower_bound() <= energy


def test_warnings_are_logged_once_and_kept(tmp_path, caplog):
    """ψ of an untrained network is nearly constant: every flip is accepted."""
    result = small_vmc().run(60, output=tmp_path / "x.h5", measure_samples=200, measure_burn_in=50)
    assert [warning["step"] for warning in result.warnings if warning["kind"] == "high_acceptance"] == [32]
    assert len([record for record in caplog.records if "nearly constant" in record.message]) == 1
    assert results.read(tmp_path / "x.h5").warnings == result.warnings


def test_a_failed_run_keeps_the_warnings_since_its_last_snapshot(tmp_path):
    vmc = small_vmc()
    optimizer = nqs.sgd(lambda step: jnp.where(step == 40, jnp.inf, 0.0))
    failing = nqs.VMC(vmc.hamiltonian, vmc.ansatz, vmc.sampler, optimizer)
    with pytest.raises(RunError, match="of 0 steps"):
        failing.run(50, output=tmp_path / "x.h5")
    kept = results.read(tmp_path / "x.h5")
    assert (kept.status, kept.n_steps) == ("failed", 0)
    assert [(warning["kind"], warning["step"]) for warning in kept.warnings] == [
        ("high_acceptance", 32),
        ("failed", 40),
    ]
    assert kept.warnings[1]["message"] == "step 40, rank 0: a parameter is not finite after the update"


def test_warnings_about_a_measured_energy_go_with_it(tmp_path):
    """A continued run measures anew: what was said of the energy before is no longer true."""
    result = small_vmc().run(1, measure_samples=30, measure_burn_in=1)
    old = [{"kind": kind, "step": 1, "message": ""} for kind in ("measured_rhat", "variance")]
    continued = small_vmc().run(2, measure_samples=30, measure_burn_in=1, previous=replace(result, warnings=tuple(old)))
    kinds_of_all = [warning["kind"] for warning in continued.warnings]
    assert "measured_rhat" not in kinds_of_all
    assert "variance" in kinds_of_all

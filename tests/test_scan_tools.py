"""What a person sees of many results: status, table, pictures, and the dataset of a scan."""

import csv
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray
from launching import SMALL, call, measured, small_result, write_point

from hamiltonians.exact import ground_state
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from nqs import results, run_file
from nqs.convergence import fall, still_falls
from nqs.extrapolation import to_zero_variance
from nqs.results import Observable
from nqs.scan_average import quantity
from nqs.scan_state import read_scan, write_manifest
from nqs.status_command import seconds_left
from nqs.text import duration
from nqs.writer import Writer

SCAN = (
    SMALL
    + """
[scan]
hamiltonian.transverse_field = [0.5, 1.0]
optimizer.learning_rate = [0.1, 0.2]
zip = [["hamiltonian.transverse_field", "optimizer.learning_rate"]]
run.seed = [3, 4, 5]
folder = "points"
"""
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Six points: two done at each field, one failed, one interrupted, and none at the last."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring.toml").write_text(SCAN)
    (tmp_path / "points").mkdir()
    scan = read_scan(Path("ring.toml"), {})
    write_manifest(scan)
    for point in scan.points[:5]:
        energy = -point.values["hamiltonian.transverse_field"] - point.values["run.seed"]
        n_steps = 5 if point.number == 4 else 6
        r = np.arange(3.0)
        write_point(
            point,
            n_steps,
            status={2: "failed", 4: "running"}.get(point.number, "complete"),
            measured={} if point.number in (2, 4) else measured(energy),
            warnings=({"kind": "failed", "step": 1, "message": "it went wrong"},) if point.number == 2 else (),
            observables={
                "binder": Observable(-energy / 10, 0.01, "1", "U"),
                "correlation": Observable(energy * r, 0.1 * r, "1", "<ss>", {"dx": r}),
            },
        )
    return tmp_path


def test_the_status_of_a_scan(folder, capsys):
    assert call("status", "ring.toml") == 0
    output = capsys.readouterr().out
    assert "6 points: 3 done, 1 failed, 1 interrupted, 1 missing" in output
    (failed,) = (line for line in output.splitlines() if "seed=5" in line and "field=0.5" in line)
    assert "it went wrong" in failed
    (died,) = (line for line in output.splitlines() if "its process died" in line)
    assert "5/6" in died
    assert "4.5 ± 4.5 (last step)" in died
    with Writer(read_scan(Path("points"), {}).points[4].path):
        assert call("status", "points") == 0
        assert "3 done, 1 failed, 1 running, 1 missing" in capsys.readouterr().out
    (folder / "ring.toml").write_text(SCAN.replace("steps = 6", "steps = 7"))
    assert call("status", "ring.toml") == 0
    assert "4 interrupted, 1 failed" in capsys.readouterr().out
    (folder / "ring.toml").write_text(SCAN.replace("n_samples = 30\nburn_in = 5", "n_samples = 30\nburn_in = 6"))
    assert call("status", "ring.toml", "points/none.h5") == 2
    output, errors = capsys.readouterr()
    assert "5 changed, 1 missing" in output
    assert "sampler.burn_in: 5 -> 6" in output
    assert "points/none.h5: cannot be read" in errors


def test_the_expected_end_of_a_run():
    """Ten steps of two seconds, and a measurement of as many samples as three steps have."""
    config = run_file.parse_text(SMALL.replace("[measure]\nn_samples = 30", "[measure]\nn_samples = 80"), "")
    config = run_file.parse_text(run_file.to_toml(config).replace("steps = 6", "steps = 50"), "")
    history = {**small_result(40).history, "wall_time": np.concatenate([np.zeros(20), 2.0 * np.arange(20)])}
    left = seconds_left(replace(small_result(40), history=history), config, time.time() - 7.0)
    assert left == pytest.approx(2 * (10 + 3) - 7, abs=0.5)
    assert seconds_left(small_result(1), config, time.time()) is None
    assert [duration(seconds) for seconds in (3.4, 65, 3599, 9000)] == ["3 s", "1:05 min", "59:59 min", "2:30 h"]


def test_the_table_of_a_scan_as_csv_and_hdf5(folder, capsys):
    assert call("report", "ring.toml", "-o", "table.csv") == 0
    assert "it went wrong" in capsys.readouterr().out
    with open(folder / "table.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5
    assert [row["status"] for row in rows] == ["complete", "complete", "failed", "complete", "died"]
    assert [(row["transverse_field"], row["learning_rate"], row["seed"]) for row in rows[1:4:2]] == [
        ("0.5", "0.1", "4"),
        ("1.0", "0.2", "3"),
    ]
    assert float(rows[0]["energy"]) == -3.5
    assert float(rows[0]["relative_error"]) == pytest.approx(-8)
    assert call("report", *[f"points/{row['result']}.h5" for row in rows], "-o", "table.h5") == 0
    with xarray.open_dataset(folder / "table.h5", engine="h5netcdf") as table:
        np.testing.assert_array_equal(table["energy"], [-3.5, -4.5, np.nan, -4.0, np.nan])
        assert table["warnings"].values.tolist() == ["", "", "it went wrong", "", ""]
        assert table["seed"].values.tolist() == [3, 4, 5, 3, 4]
        assert table["energy"].attrs["units"] == "unit of J"
        np.testing.assert_allclose(table["binder"], [0.35, 0.45, 0.55, 0.4, 0.5])
        np.testing.assert_array_equal(table["binder_error"], [0.01] * 5)
        assert table["result"].values[0] == "transverse_field=0.5,learning_rate=0.1,seed=3"
    assert call("report", "ring.toml", "-o", "table.txt") == 2
    assert "must end in .csv or .h5" in capsys.readouterr().err


def test_a_collected_scan_is_a_dataset_whose_dimensions_are_the_keys(folder, capsys):
    assert call("scan", "ring.toml", "--list") == 0
    assert call("collect", "ring.toml") == 0
    assert "points.h5: 5 results of 6 points" in capsys.readouterr().out
    with xarray.open_dataset(folder / "points.h5", engine="h5netcdf") as scan:
        assert dict(scan["energy"].sizes) == {"transverse_field": 2, "seed": 3}
        assert scan["energy"].sel(transverse_field=0.5, seed=4) == -4.5
        assert np.isnan(scan["energy"].sel(transverse_field=1.0, seed=5))
        assert scan["learning_rate"].dims == ("transverse_field",)
        assert scan["status"].sel(transverse_field=0.5).values.tolist() == ["done", "done", "failed"]
        np.testing.assert_array_equal(
            scan["correlation"].sel(transverse_field=1.0, seed=3, correlation_dx=[1, 2]), [-4.0, -8.0]
        )
        np.testing.assert_array_equal(scan["correlation_error"].isel(transverse_field=0, seed=0), [0, 0.1, 0.2])
        assert scan["history_energy"].dims == ("transverse_field", "seed", "step")
        last = scan["history_energy"].sel(transverse_field=1.0, seed=4)
        np.testing.assert_array_equal(last, [0.5, 1.5, 2.5, 3.5, 4.5, np.nan])


def test_pictures_of_a_scan_an_observable_and_an_extrapolation(folder, capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr("nqs.plot.plot_series", lambda *arguments: drawn.append(arguments))
    assert call("plot", "ring.toml") == 0
    (series, curves, x_label, y_label, _), *_ = drawn
    assert [one.label for one in series] == ["run.seed = 3", "run.seed = 4"]
    np.testing.assert_array_equal(series[0].exact, [0.5, 0.5])
    np.testing.assert_array_equal(series[0].x, [0.5, 1.0])
    np.testing.assert_array_equal(series[0].y, [-3.5, -4.0])
    np.testing.assert_array_equal(series[0].errors, [0.01, 0.01])
    assert len(curves) == 1
    rings = (TransverseIsing(Lattice("chain", (8,)), transverse_field=field) for field in (0.5, 1.0))
    assert curves[0].y[[0, -1]] == pytest.approx([ground_state(ring)[0][0] for ring in rings], abs=1e-9)
    assert (x_label, y_label) == ("hamiltonian.transverse_field", "energy (unit of J)")
    assert call("plot", "ring.toml", "--against", "run.seed", "--quantity", "rhat") == 0
    assert [(one.label, list(one.x)) for one in drawn[1][0]] == [
        ("hamiltonian.transverse_field = 0.5, optimizer.learning_rate = 0.1", [3, 4]),
        ("hamiltonian.transverse_field = 1, optimizer.learning_rate = 0.2", [3]),
    ]
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    done = "points/transverse_field=0.5,learning_rate=0.1,seed=3.h5"
    for arguments in (("ring.toml",), (done, "--quantity", "correlation"), (done, "-o", "a.png")):
        assert call("plot", *arguments) == 0
        picture = Path(capsys.readouterr().out.splitlines()[-1].partition(": ")[0])
        assert picture.stat().st_size > 5_000
    for arguments, message in (
        (("ring.toml", "--quantity", "entropy"), "--quantity entropy: no such number"),
        (("ring.toml", "--against", "run.steps"), "--against run.steps: not scanned"),
        ((done, "--quantity", "rhat"), "no observable 'rhat' with an axis; there are: correlation"),
        ((done, done), "takes one result or scan"),
        ((done, "--extrapolate"), "needs two results whose variances differ"),
    ):
        assert call("plot", *arguments) == 2
        assert message in capsys.readouterr().err


def test_averages_over_a_key(folder, capsys, monkeypatch):
    """Of seeds with the spread of the points, of anything else with their own errors."""
    assert call("report", "ring.toml", "--average", "run.seed", "-o", "means.csv") == 0
    shown = capsys.readouterr().out
    assert "averages over run.seed, with the error of a random sample" in shown
    assert "3 of 6 points" in shown
    assert "-4.00 ± 0.50" in shown
    first, second = csv.DictReader(Path("means.csv").read_text().splitlines())
    assert (first["hamiltonian.transverse_field"], first["points"]) == ("0.5", "2")
    assert float(first["energy"]) == pytest.approx(-4.0)
    assert float(first["energy_error"]) == pytest.approx(0.5)
    assert float(first["binder"]) == pytest.approx(0.4)
    assert (second["points"], float(second["energy"]), second["energy_error"]) == ("1", -4.0, "nan")
    drawn = []
    monkeypatch.setattr("nqs.plot.plot_series", lambda *arguments: drawn.append(arguments))
    assert call("plot", "ring.toml", "--average", "run.seed") == 0
    assert "averages over run.seed of 3 of 6 points" in capsys.readouterr().out
    ((one,), _, x_label, _, _), *_ = drawn
    assert (one.label, x_label) == ("average", "hamiltonian.transverse_field")
    np.testing.assert_array_equal(one.y, [-4.0, -4.0])
    assert call("plot", "ring.toml", "--average", "optimizer.learning_rate", "--quantity", "energy") == 0
    ((one,), _, x_label, _, _) = drawn[1]
    assert x_label == "run.seed"
    np.testing.assert_allclose(one.y, [-3.75, -4.5])
    np.testing.assert_allclose(one.errors, [0.01 / 2**0.5, 0.01])
    for arguments, message in (
        (("report", "ring.toml", "--average", "run.steps"), "--average run.steps: not scanned"),
        (("report", "ring.toml", "ring.toml", "--average", "run.seed"), "--average: takes one scan"),
        (("plot", "ring.toml", "--average", "run.seed", "--against", "run.seed"), "no other key to draw against"),
        (("plot", "ring.toml", "--average", "run.seed", "--extrapolate"), "--average: of a quantity of a scan alone"),
    ):
        assert call(*arguments) == 2
        assert message in capsys.readouterr().err


def test_quantities_of_a_result():
    found = replace(small_result(), measured=measured(-9.0, reference=-10.0))
    assert quantity(found, "energy") == (-9.0, 0.01)
    assert quantity(found, "relative_error") == pytest.approx((0.1, 0.001))
    assert np.isnan(quantity(found, "rhat")[1])
    with_binder = replace(found, observables={"binder": Observable(0.5, 0.01, "1", "U")})
    assert quantity(with_binder, "binder") == (0.5, 0.01)


def test_extrapolation_to_zero_variance(folder, capsys):
    """Energies on a line, and errors that are those of the scatter of many fits."""
    variances, errors = np.array([0.5, 0.2, 0.1, 0.05]), np.array([0.02, 0.01, 0.01, 0.005])
    line = to_zero_variance(variances, -3 + 0.4 * variances, errors)
    assert (line.energy, line.slope) == pytest.approx((-3, 0.4))
    assert line.chi_square == pytest.approx(0, abs=1e-20)
    noise = np.random.default_rng(0).normal(size=(2000, 4)) * errors
    fits = [to_zero_variance(variances, -3 + 0.4 * variances + one, errors) for one in noise]
    scores = np.array([(fit.energy + 3) / fit.energy_error for fit in fits])
    assert abs(scores.mean()) < 4 / np.sqrt(2000)
    assert abs(scores.std() - 1) < 4 / np.sqrt(2 * 2000)
    assert np.mean([fit.chi_square for fit in fits]) == pytest.approx(1, abs=0.1)
    for i, variance in enumerate((0.5, 0.2, 0.1)):
        result = replace(small_result(), status="complete", measured=measured(-3 + 0.4 * variance, variance=variance))
        results.write(folder / f"{i}.h5", result)
    assert call("plot", "0.h5", "1.h5", "2.h5", "--extrapolate", "-o", "line.png") == 0
    assert "E = -3.000" in capsys.readouterr().out
    assert (folder / "line.png").stat().st_size > 5_000


def test_an_energy_that_still_falls_is_told_from_noise():
    """Noise that is correlated over twenty steps falls as seldom as five errors of six freedoms say."""
    rng = np.random.default_rng(1)
    energies = np.zeros((400, 600))
    for step in range(1, 600):
        energies[:, step] = 0.95 * energies[:, step - 1] + rng.normal(size=400)
    assert sum(still_falls({"energy": energy}, 0.0) for energy in energies) <= 4
    steps = np.arange(600)
    found = fall({"energy": energies[0] * 0.01 - 0.01 * steps})
    assert found is not None
    assert found[0] == pytest.approx(3.0, abs=5 * found[1])
    assert still_falls({"energy": energies[0] * 0.01 - 0.01 * steps}, 0.1)
    assert not still_falls({"energy": energies[0] * 0.01 - 0.01 * steps}, 1.1), "less than the measurement can tell"
    assert fall({"energy": energies[0, :60]}) is None


def test_a_scanned_key_that_is_called_as_a_measured_number_keeps_its_whole_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring.toml").write_text(SMALL + "[scan]\nsampler.n_samples = [30, 60]\nrun.seed = [3, 4]\n")
    for point in read_scan(Path("ring.toml"), {}).points:
        write_point(point, measured=measured(-9.0, n_samples=1000.0))
    assert call("collect", "ring.toml", "-o", "ring.h5") == 0
    with xarray.open_dataset("ring.h5", engine="h5netcdf") as scan:
        assert dict(scan["n_samples"].sizes) == {"sampler.n_samples": 2, "seed": 2}
        assert scan["sampler.n_samples"].values.tolist() == [30, 60]
        np.testing.assert_array_equal(scan["n_samples"], 1000.0)
    assert call("report", "ring.toml", "-o", "table.csv") == 0
    with open("table.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["sampler.n_samples"], row["seed"], row["n_samples"]) for row in rows[1:3]] == [
        ("30", "4", "1000.0"),
        ("60", "3", "1000.0"),
    ]

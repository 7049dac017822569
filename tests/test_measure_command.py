"""`nqs measure`: what it writes into a result, what it leaves alone, what it refuses."""

import signal
from dataclasses import replace

import numpy as np
import pytest
import xarray
from launching import SMALL, call, small_result

import nqs
from nqs import results
from nqs.lock import Lock
from nqs.sampler import passes
from nqs.text import with_error

# What needs no replicas, to be quick where the entropy does not matter.
QUICK = ("--samples", "40", "--burn-in", "0", "--region", "0-7")


@pytest.fixture(scope="module")
def result():
    """A result as a run that died would leave it."""
    small = small_result()
    weights = np.random.default_rng(0).normal(0, 0.2, (8, 8))
    return replace(small, parameters={"weights": weights, "hidden_bias": np.full(8, 0.1)})


@pytest.fixture
def folder(tmp_path, monkeypatch, result):
    monkeypatch.chdir(tmp_path)
    results.write(tmp_path / "x.h5", result)
    return tmp_path


def test_it_writes_observables_and_leaves_the_rest(folder, result, capsys, monkeypatch):
    monkeypatch.setattr(passes, "LOG_SECONDS", 0.0)
    assert call("measure", "x.h5", "--region", "0-2,7", "--samples", "2010", "--lanczos-samples", "300") == 0
    text, progress = capsys.readouterr()
    assert "nqs: measuring the Lanczos step: 300 of 300 samples" in progress
    found = nqs.load("x.h5")
    assert results.read(folder / "x.h5").status == result.status
    for name, values in result.history.items():
        np.testing.assert_array_equal(found.history[name], values)
    np.testing.assert_array_equal(found.parameters["weights"], result.parameters["weights"])
    assert found.state["step"] == 2
    assert found.measured["n_samples"] == 2010
    assert [launch["seed"] for launch in found.provenance] == [1, 1]
    observables = found.observables
    assert observables["magnetisation"].error > 0
    transverse = observables["transverse_magnetisation"]
    assert with_error(transverse.mean, transverse.error) in text
    assert "of the sites 0-2,7" in observables["renyi2_entropy"].long_name
    assert 0 < observables["fidelity"].mean < 1
    assert observables["fidelity"].error == 0
    step = observables["lanczos_energy"]
    assert found.measured["reference"] - 4 * step.error < step.mean < found.measured["energy"] - 4 * step.error
    with xarray.open_dataset("x.h5", group="observables/correlation", engine="h5netcdf") as correlation:
        assert correlation["mean"].dims == correlation["error"].dims == ("dx",)
        assert correlation["mean"].attrs["units"] == "1"
        assert "Pauli matrices" in correlation["mean"].attrs["long_name"]
        assert float(correlation["mean"].sel(dx=0)) == pytest.approx(1)
    with xarray.open_dataset("x.h5", group="observables/structure_factor", engine="h5netcdf") as structure:
        assert structure["kx"].attrs["units"] == "2 pi/L"
        assert float(structure["mean"].sum()) == pytest.approx(8)
    assert call("report", "x.h5") == 0
    assert "renyi2_entropy" in capsys.readouterr().out
    assert call("report", "x.h5", "x.h5") == 0
    assert "binder_cumulant" in capsys.readouterr().out


def test_the_energy_is_that_of_the_run_and_a_continued_run_drops_what_was_measured(folder, capsys):
    (folder / "small.toml").write_text(
        SMALL.replace("steps = 6", "steps = 1").replace("n_samples = 30\nburn_in = 20", "n_samples = 90")
    )
    assert call("run", "small.toml") == 0
    before = results.read(folder / "results/small.h5")
    assert call("measure", "results/small.h5", "--region", "0-7") == 0
    after = results.read(folder / "results/small.h5")
    assert after.status == "complete"
    assert after.measured == before.measured
    assert call("measure", "results/small.h5", *QUICK, "--seed", "5") == 0
    assert results.read(folder / "results/small.h5").measured["energy"] != before.measured["energy"]
    assert call("run", "small.toml") == 0
    assert results.read(folder / "results/small.h5").observables
    assert call("run", "small.toml", "--run.steps", "2") == 0
    assert not results.read(folder / "results/small.h5").observables


def refused(capfd, *arguments) -> str:
    assert call("measure", "x.h5", *arguments) == 2
    (line,) = capfd.readouterr().err.splitlines()
    return line


def test_wrong_regions_are_refused(folder, capfd):
    before = (folder / "x.h5").read_bytes()
    assert "the region names the site 8" in refused(capfd, "--region", "6-8")
    assert "distinct sites" in refused(capfd, "--region", "1,0-2")
    assert "distinct sites" in refused(capfd, "--region", "3-2")
    assert (folder / "x.h5").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["x.h5"]


def test_a_result_that_is_being_written_is_refused(folder, capfd):
    lock = Lock(folder / "x.h5")
    try:
        assert "x.h5 is being written by process" in refused(capfd)
    finally:
        lock.release()


def test_a_signal_stops_it_and_nothing_is_written(folder, capsys, monkeypatch):
    before = (folder / "x.h5").read_bytes()
    monkeypatch.setattr("nqs.measure_command.describe_launch", lambda *_: signal.raise_signal(signal.SIGUSR1))
    assert call("measure", "x.h5", *QUICK) == 75
    assert "nothing is written" in capsys.readouterr().out
    assert (folder / "x.h5").read_bytes() == before


def test_a_full_disk_leaves_the_file_and_the_energy_is_said(folder, capsys, monkeypatch):
    before = (folder / "x.h5").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "write", full)
    assert call("measure", "x.h5", *QUICK) == 1
    text = capsys.readouterr().err
    assert "No space left on device" in text
    assert "the measured energy was -" in text
    assert (folder / "x.h5").read_bytes() == before

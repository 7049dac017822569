"""Scans over sizes and of classes of a user, points that are starting, run files in the place of results."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray
from launching import SMALL, call, measured, small_result, write_point
from test_user_classes import RUN, models

from hamiltonians.exact import ground_state
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from nqs import results, run_file
from nqs.lock import Lock
from nqs.results import Observable
from nqs.scan_state import read_scan, write_manifest

__all__ = ["models"]


def test_sizes_are_numbers_and_what_is_shorter_is_padded(tmp_path, monkeypatch, capsys):
    """Distances of a small system are the first ones of a large one; momenta are not, and are left out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "size.toml").write_text(
        SMALL.replace("extent = [8]\n", "") + "[scan]\nhamiltonian.extent = [[4], [6]]\n"
    )
    for point, n in zip(read_scan(Path("size.toml"), {}).points, (4, 6), strict=True):
        r = np.arange(float(n))
        curves = {
            "correlation": Observable(r, 0 * r, "1", "<ss>", {"dx": r}),
            "structure": Observable(r, 0 * r, "1", "S", {"kx": r}),
        }
        write_point(point, measured=measured(-1.0 * n), observables=curves)
    assert call("collect", "size.toml", "-o", "size.h5") == 0
    (*_, line) = capsys.readouterr().out.splitlines()
    assert line == "left out where their axes are not those of the largest point: structure (1 of 2 results)"
    with xarray.open_dataset("size.h5", engine="h5netcdf") as scan:
        assert scan["extent"].values.tolist() == [4, 6]
        np.testing.assert_array_equal(scan["correlation"][0], [0, 1, 2, 3, np.nan, np.nan])
        np.testing.assert_array_equal(scan["correlation"][1], np.arange(6.0))
        np.testing.assert_array_equal(scan["structure"], [[np.nan] * 6, np.arange(6.0)])
    drawn = []
    monkeypatch.setattr("nqs.plot.plot_series", lambda *arguments: drawn.append(arguments))
    assert call("plot", "size.toml") == 0
    np.testing.assert_array_equal(drawn[0][0][0].x, [4, 6])


def test_correlations_of_sites_and_of_sublattices_are_collected_and_drawn_or_refused(tmp_path, monkeypatch, capsys):
    """One point is open, with a matrix over pairs of sites, the other periodic, with two sites a cell."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "open.toml").write_text(SMALL + "[scan]\nhamiltonian.periodic = [false, true]\n")
    axes = ({"site": 4, "other_site": 4}, {"sublattice_a": 2, "sublattice_b": 2, "dx": 3, "dy": 3})
    points = read_scan(Path("open.toml"), {}).points
    for point, sizes in zip(points, axes, strict=True):
        mean = np.arange(float(np.prod([*sizes.values()]))).reshape([*sizes.values()])
        grid = {axis: np.arange(float(n)) for axis, n in sizes.items()}
        write_point(point, observables={"correlation": Observable(mean, 0 * mean, "1", "<ss>", grid)})
        assert list(results.read(point.path).observables["correlation"].axes) == [*sizes]
    assert call("collect", "open.toml", "-o", "open.h5") == 0
    assert capsys.readouterr().out.endswith("of the largest point: correlation (1 of 2 results)\n")
    with xarray.open_dataset("open.h5", engine="h5netcdf") as scan:
        assert scan["correlation"].dims[1:] == tuple(f"correlation_{axis}" for axis in axes[1])
        assert np.isnan(scan["correlation"][0]).all()
        assert scan["correlation"][1].values.ravel().tolist() == [*range(36)]
    assert call("plot", points[0].path, "--quantity", "correlation") == 0
    assert points[0].path.with_suffix(".png").stat().st_size > 5_000
    assert call("plot", points[1].path, "--quantity", "correlation") == 2
    assert "correlation has 4 axes (sublattice_a, sublattice_b, dx, dy)" in capsys.readouterr().err


def test_the_exact_curve_of_a_class_of_the_user(models, monkeypatch):
    path = models.parent / "fields.toml"
    path.write_text(RUN.format(name=models.stem) + "[scan]\nhamiltonian.field = [0.5, 1.0]\n")
    for point in read_scan(path, {}).points:
        write_point(point, measured=measured(-4.0))
    drawn = []
    monkeypatch.setattr("nqs.plot.plot_series", lambda *arguments: drawn.append(arguments))
    assert call("plot", str(path)) == 0
    (_, (curve,), *_), *_ = drawn
    rings = [TransverseIsing(Lattice("chain", (4,)), transverse_field=field) for field in (0.5, 1.0)]
    assert curve.y[[0, -1]] == pytest.approx([ground_state(ring)[0][0] for ring in rings])


def test_results_of_several_hamiltonians_are_not_extrapolated(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring.toml").write_text(SMALL + "[scan]\nhamiltonian.transverse_field = [0.5, 1.0, 1.5]\n")
    assert call("plot", "ring.toml", "--extrapolate") == 2
    assert "needs two results" in capsys.readouterr().err
    for point in read_scan(Path("ring.toml"), {}).points:
        write_point(point, measured=measured(-9.0 - point.number, variance=1.0 + point.number))
    assert call("plot", "ring.toml", "--extrapolate") == 2
    assert "several Hamiltonians" in capsys.readouterr().err


def test_a_point_that_is_starting_runs(tmp_path, monkeypatch, capsys):
    """It has a lock and no result yet, or the interrupted one that it goes on from."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring.toml").write_text(SMALL + "[scan]\nhamiltonian.transverse_field = [0.5, 1.0]\n")
    first, second = read_scan(Path("ring.toml"), {}).points
    write_point(second, 3, status="interrupted")
    locks = [Lock(point.path) for point in (first, second)]
    assert call("status", "ring.toml") == 0
    seen = capsys.readouterr().out
    assert "2 points: 2 running" in seen
    assert seen.count("starting") == 2
    for lock in locks:
        lock.release()
    assert call("status", "ring.toml") == 0
    assert "2 points: 1 missing, 1 interrupted" in capsys.readouterr().out


def test_a_run_file_stands_for_its_result(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    config = run_file.read(Path("small.toml"), {})
    path = Path(config.run.output)
    path.parent.mkdir(exist_ok=True)
    assert call("status", "small.toml") == 0
    assert "missing" in capsys.readouterr().out
    provenance = ({"argv": "nqs", "snapshot_seconds": 0.25, "start": "", "end": ""},)
    results.write(path, replace(small_result(), config=run_file.to_toml(config), provenance=provenance))
    for command in ("status", "report", "plot"):
        assert call(command, "small.toml") == 0, command
    assert path.with_suffix(".png").exists()
    capsys.readouterr()
    (tmp_path / "small.toml").write_text(SMALL.replace("burn_in = 5", "burn_in = 6"))
    assert call("status", "small.toml") == 0
    assert "changed" in capsys.readouterr().out
    assert call("report", "small.toml", "-o", "small.csv") == 0
    (row,) = csv.DictReader(Path("small.csv").read_text().splitlines())
    assert float(row["snapshot_seconds"]) == 0.25
    assert "snapshots  0.25 s" in capsys.readouterr().out


def test_a_scan_without_results_has_no_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring.toml").write_text(SMALL + "[scan]\nrun.seed = [0, 1]\n")
    assert call("report", "ring.toml", "-o", "x.csv") == 2
    assert "ring.toml: no point has a result yet" in capsys.readouterr().err


def test_a_folder_remembers_the_file_that_a_job_has_a_copy_of(tmp_path, monkeypatch):
    """Classes are looked for beside it when the scan is submitted again by its folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    text = SMALL + "[scan]\nrun.seed = [0, 1]\nfolder = 'results/ring'\n"
    (tmp_path / "mine" / "ring.toml").write_text(text)
    write_manifest(read_scan(Path("mine/ring.toml"), {}))
    copy = Path("results/ring.0a1b2c3d.toml")
    copy.write_text(text)
    write_manifest(read_scan(copy, {}))
    before = Path("results/ring/manifest.toml").read_text()
    copy.write_text(text.replace("[0, 1]", "[0, 1, 2]"))
    write_manifest(read_scan(copy, {}))
    assert Path("results/ring/manifest.toml").read_text() == before, (
        "the copy may be older than what was submitted last"
    )
    monkeypatch.chdir("results/ring")
    assert read_scan(Path("."), {}).name == str(tmp_path / "mine" / "ring.toml")
    assert read_scan(Path("."), {}).folder == tmp_path / "results" / "ring"

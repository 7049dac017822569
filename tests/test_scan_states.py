"""What the points of a scan are found to be by their files, and how the tools say it."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray
from launching import SMALL, call, measured, small_result, write_point

from nqs import results
from nqs.scan_state import read_scan, state_of, write_manifest


def test_a_warm_started_point_is_the_same_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = SMALL + "[scan]\nhamiltonian.transverse_field = [0.5, 0.6, 0.7]\nwarm_start = true\n"
    (tmp_path / "ring.toml").write_text(text)
    scan = read_scan(Path("ring.toml"), {})
    write_manifest(scan)
    for point in scan.points:
        write_point(point, measured=measured(-9.0))
    monkeypatch.chdir("/")
    found = read_scan(tmp_path / "results" / "ring", {})
    assert [state_of(point).progress for point in found.points] == ["done"] * 3
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring.toml").write_text(text.replace("0.6, ", ""))
    states = [state_of(point) for point in read_scan(Path("ring.toml"), {}).points]
    assert [state.progress for state in states] == ["done", "changed"]
    assert "run.init_from: results/ring/transverse_field=0.6.h5 -> results/ring/" in states[1].note


def test_the_state_of_a_point_says_what_is_wrong_in_these_words(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring.toml").write_text(SMALL + "[scan]\noptimizer.kind = ['sr', '[/x]']\n")
    assert call("status", "ring.toml") == 0
    output = capsys.readouterr().out
    assert "2 points: 1 missing, 1 wrong" in output
    assert "[optimizer] kind: no such kind '[/x]'" in output


def test_no_exact_curve_where_another_key_of_the_hamiltonian_changes_as_well(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring.toml").write_text(
        SMALL + "[scan]\nhamiltonian.transverse_field = [0.5, 1.0]\nhamiltonian.coupling = [1.0, 2.0]\n"
        "zip = [['hamiltonian.transverse_field', 'hamiltonian.coupling']]\n"
    )
    for point in read_scan(Path("ring.toml"), {}).points:
        write_point(point, measured=measured(-9.0, reference=-10.0 - point.number))
    drawn = []
    monkeypatch.setattr("nqs.plot.plot_series", lambda *arguments: drawn.append(arguments))
    assert call("plot", "ring.toml") == 0
    ((series,), curves, *_), *_ = drawn
    assert curves == []
    assert list(series.exact) == [-10, -11]


def test_results_of_another_configuration_are_named_and_not_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = SMALL + "[scan]\nhamiltonian.transverse_field = [0.5, 1.0]\n"
    (tmp_path / "ring.toml").write_text(text)
    before = read_scan(Path("ring.toml"), {})
    (tmp_path / "ring.toml").write_text(text.replace("burn_in = 5", "burn_in = 6"))
    after = read_scan(Path("ring.toml"), {})
    write_point(before.points[0], measured=measured(-9.0))
    drawn = []
    monkeypatch.setattr("nqs.plot.plot_series", lambda *arguments: drawn.append(arguments))
    assert call("plot", "ring.toml") == 2
    assert "no point is measured yet; 1 changed, left out" in capsys.readouterr().err
    write_point(after.points[1], measured=measured(-8.0))
    assert call("plot", "ring.toml") == 0
    assert "energy of 1 of 2 points against hamiltonian.transverse_field; 1 changed" in capsys.readouterr().out
    assert list(drawn[0][0][0].y) == [-8]
    assert call("report", "ring.toml") == 0
    assert "transverse_field=0.5: changed (sampler.burn_in: 5 -> 6)" in capsys.readouterr().out
    assert call("collect", "ring.toml", "-o", "ring.h5") == 0
    assert "1 results of 2 points, by hamiltonian.transverse_field; 1 changed" in capsys.readouterr().out
    with xarray.open_dataset("ring.h5", engine="h5netcdf") as scan:
        np.testing.assert_array_equal(scan["energy"], [np.nan, -8])
        assert scan["status"].values.tolist() == ["changed", "done"]


def test_the_report_and_its_table_say_that_an_energy_still_falls(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    steps = np.arange(100.0)
    falls = replace(
        small_result(100),
        history={**small_result(100).history, "energy": -0.01 * steps},
        warnings=({"kind": "rhat", "step": 1, "message": "R-hat is 1.2"},),
        measured=measured(-9.0),
    )
    results.write(Path("falls.h5"), falls)
    assert call("report", "falls.h5", "-o", "table.csv") == 0
    assert "falls: the energy still falls: by 0.49" in capsys.readouterr().out
    (row,) = csv.DictReader(Path("table.csv").read_text().splitlines())
    assert row["warnings"].startswith("R-hat is 1.2; the energy still falls: by 0.49")

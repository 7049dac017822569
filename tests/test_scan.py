"""Scans: every point runs once, whatever happens to the others, and none compiles what another one did."""

import json
import sys

import jax
import numpy as np
import pytest
from launching import COMMANDS, SMALL, call, start

from nqs import results, run_file

TWELVE = """
[scan]
hamiltonian.transverse_field = {start = 0.4, stop = 1.5, number = 12}
optimizer.learning_rate = [0.05, 0.05, 0.04, 0.05, "fast", 0.05, 1e300, 0.05, 0.05, 0.05, 0.05, 0.05]
optimizer.diagonal_shift = [1e-2, 1e-3, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2]
run.seed = {start = 0, stop = 11, step = 1}
zip = [["hamiltonian.transverse_field", "optimizer.learning_rate", "optimizer.diagonal_shift", "run.seed"]]
folder = "points"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def compiled():
    """How often something has been compiled."""
    times = []

    def note(name, seconds, **_):
        if name == "/jax/core/compile/backend_compile_duration":
            times.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(note)
    yield times
    jax.monitoring.unregister_event_duration_listener(note)


def test_of_twelve_points_two_fail_and_only_these_are_tried_again(folder, capsys):
    (folder / "ring.toml").write_text(SMALL + TWELVE)
    assert call("scan", "ring.toml") == 1
    output, errors = capsys.readouterr()
    assert "points: 10 of 12 points done" in output
    lines = [line for line in errors.splitlines() if line.startswith("nqs: ring.toml, point ")]
    assert len(lines) == 2
    assert "learning_rate=fast" in lines[0]
    assert lines[0].endswith("[optimizer] learning_rate: expected float | table, got str")
    assert "learning_rate=1e+300" in lines[1]
    assert "is not finite" in lines[1]
    found = {path.stem: results.read(path) for path in folder.glob("points/*.h5")}
    assert sorted(result.status for result in found.values()) == ["complete"] * 10 + ["failed"]
    for result in found.values():
        if result.status == "complete":
            field = run_file.parse_text(result.config, "").hamiltonian.transverse_field
            assert result.measured["reference"] == pytest.approx(
                -sum(np.sqrt(1 + field**2 + 2 * field * np.cos(k)) for k in np.pi * np.arange(1, 16, 2) / 8)
            )
    before = {path: path.stat().st_mtime_ns for path in folder.glob("points/*.h5")}
    assert call("scan", "ring.toml") == 1
    assert "10 of 12 points done" in capsys.readouterr().out
    assert [path.stem for path, time in before.items() if path.stat().st_mtime_ns != time] == [
        "transverse_field=1,learning_rate=1e+300,diagonal_shift=0.01,seed=6"
    ]


def test_points_after_the_first_compile_nothing(folder, compiled, capsys):
    """Fields, couplings, seeds, rates and shifts are no constants of the programs."""
    (folder / "glass.toml").write_text(
        SMALL.replace('"transverse_ising"\nextent = [8]', '"sherrington_kirkpatrick"\nn_sites = 6')
        + "[scan]\nhamiltonian.instance = [0, 1]\nhamiltonian.transverse_field = [0.5, 1.5]\n"
        "optimizer.learning_rate = [0.01, 0.02]\noptimizer.diagonal_shift = [1e-2, 1e-3]\n"
        'zip = [["optimizer.learning_rate", "optimizer.diagonal_shift"]]\n'
    )
    assert call("scan", "glass.toml", "--task", 0) == 0
    first = len(compiled)
    assert first > 0
    assert call("scan", "glass.toml") == 0
    assert len(compiled) == first
    assert "8 of 8 points done" in capsys.readouterr().out


def test_a_warm_start_begins_where_its_neighbour_ended(folder, capsys):
    (folder / "ring.toml").write_text(
        SMALL + "[scan]\nhamiltonian.transverse_field = [0.5, 0.6, 0.7]\nrun.seed = [3, 4, 5]\n"
        "zip = [['hamiltonian.transverse_field', 'run.seed']]\nwarm_start = true\n"
    )
    assert call("scan", "ring.toml", "--run.steps", 0) == 0
    first, *others = (results.read(path).parameters for path in sorted(folder.glob("results/ring/*.h5")))
    assert len(others) == 2
    for other in others:
        for name, values in first.items():
            np.testing.assert_array_equal(other[name], values)
    assert call("scan", "ring.toml", "--list") == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[-3:]] == ["0", "0", "0"]
    (folder / "results/ring/transverse_field=0.6,seed=4.h5").write_text("no result")
    (folder / "results/ring/transverse_field=0.7,seed=5.h5").unlink()
    assert call("scan", "ring.toml", "--run.steps", 0, "--log-dir", "logs") == 1
    lines = capsys.readouterr().err.splitlines()
    assert "not a whole HDF5 file" in lines[0]
    assert "begins with the parameters of transverse_field=0.6,seed=4, which is not done but broken" in lines[1]
    assert [line.partition(" WARNING ")[2] for line in (folder / "logs/rank-0.log").read_text().splitlines()[1:]] == [
        line.removeprefix("nqs: ") for line in lines
    ]


def test_a_changed_scan_file_is_noticed_point_by_point(folder, capsys):
    text = SMALL + "[scan]\nhamiltonian.transverse_field = [0.5, 0.6]\n"
    (folder / "ring.toml").write_text(text)
    assert call("scan", "ring.toml", "--run.steps", 2) == 0
    assert call("scan", "ring.toml", "--run.steps", 3) == 0, "more steps continue"
    assert results.read(folder / "results/ring/transverse_field=0.6.h5").n_steps == 3
    (folder / "ring.toml").write_text(text.replace("[0.5, 0.6]", "[0.6, 0.7]").replace('"sr"', '"sgd"'))
    assert call("scan", "ring.toml", "--run.steps", 2) == 1
    output, errors = capsys.readouterr()
    assert "1 of 2 points done" in output
    assert (
        "transverse_field=0.6.h5 exists with another configuration (optimizer.diagonal_shift: 0.01 -> absent" in errors
    )
    assert call("scan", "ring.toml", "--run.steps", 2, "--fresh") == 0
    assert results.read(folder / "results/ring/transverse_field=0.6.1.h5").n_steps == 3
    assert results.read(folder / "results/ring/transverse_field=0.6.h5").n_steps == 2


def test_a_stop_ends_a_scan_which_continues(folder, capsys):
    (folder / "ring.toml").write_text(SMALL + "[scan]\nrun.seed = [0, 1]\nfolder = 'x'\n")
    assert call("scan", "ring.toml", "--run.max_seconds", 1e-9) == 75
    assert "x: 0 of 2 points done: stopped before the end" in capsys.readouterr().out
    assert [path.name for path in folder.glob("x/*.h5")] == ["seed=0.h5"]
    assert call("scan", "x") == 75, "the manifest is the scan, with its overrides"
    assert call("scan", "ring.toml") == 0


def test_what_cannot_be_scanned_is_refused(folder, capsys):
    (folder / "ring.toml").write_text(SMALL + "[scan]\nrun.seed = [0, 1]\n")
    assert call("scan", "ring.toml", "--task", 2) == 2
    assert "--task 2: ring.toml has the tasks 0 to 1" in capsys.readouterr().err
    assert call("scan", "ring.toml", "--scan.run.seed", "['a', 'b']") == 2
    assert "point seed=a: [run] seed" in capsys.readouterr().err
    assert call("scan", folder) == 2
    assert "a folder without the manifest.toml of a scan" in capsys.readouterr().err


def test_an_error_that_nobody_foresaw_is_that_of_its_point(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    (folder / "broken_models.py").write_text(
        "import nqs\n\nclass Broken(nqs.Ansatz):\n    def __init__(self, n_sites, *, key):\n"
        "        raise RuntimeError('no such luck')\n    def __call__(self, x):\n        return x\n"
    )
    (folder / "ring.toml").write_text(SMALL + "[scan]\nansatz.kind = ['broken_models:Broken', 'rbm']\n")
    assert call("scan", "ring.toml", "--run.steps", 0) == 1
    output, errors = capsys.readouterr()
    assert "1 of 2 points done" in output
    assert "nqs: ring.toml, point kind=broken_models.Broken: RuntimeError: no such luck" in errors
    assert "Traceback" in errors


@pytest.mark.mpi
def test_one_two_and_four_groups_of_ranks_give_the_same_table(folder):
    """Six points on four ranks, one that is wrong and one that fails, which keeps nobody waiting."""
    (folder / "ring.toml").write_text(
        SMALL.replace('"sr"', '"sgd"').replace("steps = 6", "steps = 3").replace("= 10\n", "= 8\n").replace("30", "24")
        + "[scan]\noptimizer.learning_rate = [0.01, 1e300, 0.02, 'fast', 0.03, 0.04]\n"
    )
    ranks_per_point = (4, 2, 1)
    commands = [["scan", "ring.toml", "--scan.folder", f"by_{n}", "--ranks-per-point", n] for n in ranks_per_point]
    done = start(*COMMANDS, json.dumps([[*commands[0][:-1], 3], *commands]), ranks=4, cwd=folder)
    codes = [line for line in done.stderr.splitlines() if line.startswith("nqs: code")]
    assert codes == ["nqs: code 2", *["nqs: code 1"] * 3], done.stderr
    assert "--ranks-per-point 3 does not divide the 4 ranks" in done.stderr
    tables = []
    for n in ranks_per_point:
        assert f"by_{n}: 4 of 6 points done" in done.stdout
        found = [results.read(path) for path in sorted((folder / f"by_{n}").glob("*.h5"))]
        assert sorted(result.status for result in found) == ["complete"] * 4 + ["failed"]
        assert {result.provenance[0]["ranks"] for result in found} == {n}
        columns = ("energy", "energy_error", "variance", "acceptance")
        tables.append([[result.measured[name] for name in columns] for result in found if result.measured])
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-10, equal_nan=True)
    np.testing.assert_allclose(tables[2], tables[0], rtol=1e-10, equal_nan=True)

"""Wrong input of every kind: one line that says what is wrong, exit code 2, nothing written."""

import functools
from dataclasses import replace

import h5py
import numpy as np
import pytest
from launching import SMALL, call, small_result
from wrong_run_files import SK, WRONG_FILES

from nqs import files, results

AN_ARRAY = files.Dataset(np.ones(3), {"units": "1", "long_name": "m"})
GOODS = {
    "parameters": "many",
    "chains": np.ones((4, 7), np.int8),
    "energy_shift": "low",
    "step": "last",
    "average": np.ones((2, 2)),
}


def with_good(group: files.Group, **changes: files.Dataset) -> None:
    """Give the state of a result parameters to go back to."""
    state = group.items["state"].items
    good = {**state, "parameters": files.Dataset(np.ones(3)), **changes}
    state.update(good=files.Group(good), scale=files.Dataset(1.0), lowest_variance=files.Dataset(1.0))


DAMAGES = {
    "damaged": lambda group: group.items.pop("state"),
    "no_energy": lambda group: group.items["history"].items.pop("energy"),
    "short_energy": lambda group: group.items["history"].items.update(energy=files.Dataset(np.zeros(1))),
    "no_variance": lambda group: group.items["measured"].items.pop("variance"),
    "no_chains": lambda group: group.items["state"].items.pop("chains"),
    "odd_state": lambda group: group.items.update(state=files.Dataset(1.0)),
    "odd_status": lambda group: group.attributes.update(status="great"),
    "odd_energy": lambda group: group.items["measured"].items.update(energy=files.Dataset(np.zeros(3))),
    "square_history": lambda group: group.items.update(
        history=files.Group({name: files.Dataset(np.zeros((2, 2))) for name in results.HISTORY})
    ),
    "odd_observables": lambda group: group.items.update(observables=files.Group({"m": files.Dataset(1.0)})),
    "flat_chains": lambda group: group.items["state"].items.update(chains=files.Dataset(1.0)),
    "flat_window": lambda group: group.items["state"].items.update(window=files.Dataset(1.0)),
    "odd_step": lambda group: group.items["state"].items.update(step=files.Dataset("two")),
    "other_step": lambda group: group.items["state"].items.update(step=files.Dataset(9)),
    "other_window": lambda group: group.items["state"].items.update(window=files.Dataset(np.zeros((1, 2, 9)))),
    "chains_of_floats": lambda group: group.items["state"].items.update(
        chains=files.Dataset(np.ones((10, 8), np.float32))
    ),
    **{f"odd_{one}": functools.partial(with_good, **{one: files.Dataset(value)}) for one, value in GOODS.items()},
    "odd_scale": lambda group: with_good(group) or group.items["state"].items.update(scale=files.Dataset("half")),
    "odd_lowest": lambda group: (
        with_good(group) or group.items["state"].items.update(lowest_variance=files.Dataset(np.ones(2)))
    ),
    "odd_warnings": lambda group: group.items.update(warnings=files.Group({"000": files.Dataset(1.0)})),
    "flat_swaps": lambda group: group.items["measured"].items.update(swap_acceptance=files.Dataset(1.0)),
    "no_axis": lambda group: group.items.update(
        observables=files.Group({"m": files.Group(dict.fromkeys(("mean", "error"), AN_ARRAY))})
    ),
    "odd_version": lambda group: group.attributes.update(format_version="new"),
}


@pytest.fixture(scope="module")
def wrong_files(tmp_path_factory):
    """A folder with files that are wrong in one way each, and a good run file."""
    folder = tmp_path_factory.mktemp("wrong")
    good = small_result()
    results.write(folder / "good.h5", good)
    results.write(folder / "script.h5", replace(good, config=""))
    content = (folder / "good.h5").read_bytes()
    (folder / "cut.h5").write_bytes(content[: len(content) // 2])
    (folder / "nothing.h5").write_bytes(b"")
    newer = results.to_group(good)
    newer.attributes["format_version"] = 99
    files.write(folder / "newer.h5", newer)
    with h5py.File(folder / "endless.h5", "w") as file:
        source = h5py.VirtualSource("none.h5", "x", shape=(10**13,))
        layout = h5py.VirtualLayout(shape=(10**13,), dtype=float)
        layout[:] = source
        file.create_virtual_dataset("x", layout)
    with h5py.File(folder / "dangling.h5", "w") as file:
        file["x"] = h5py.SoftLink("/nowhere")
    files.write(folder / "foreign.h5", files.Group({"x": files.Dataset(np.zeros(3))}))
    for name, change in DAMAGES.items():
        damaged = results.to_group(replace(good, measured=dict.fromkeys(results.MEASURED, 1.0)))
        change(damaged)
        files.write(folder / f"{name}.h5", damaged)
    (folder / "small.toml").write_text(SMALL)
    (folder / "sk40.toml").write_text(SK + "n_sites = 40")
    (folder / "empty.txt").write_text("")
    (folder / "words.txt").write_text("one two")
    (folder / "line.txt").write_text("1 2 3")
    (folder / "broken.npy").write_bytes(b"123")
    (folder / "broken.py").write_text("class Model(")
    np.savez(folder / "archive", np.eye(3))
    (folder / "archive.npz").rename(folder / "archive.npy")
    np.save(folder / "complex.npy", np.eye(3) * 1j)
    np.save(folder / "nan.npy", np.full((3, 3), np.nan))
    (folder / "binary.toml").write_bytes(bytes(range(256)))
    (folder / "folder.h5").mkdir()
    return folder


@pytest.fixture
def folder(wrong_files, monkeypatch):
    """The folder of the wrong files, which is the same for all: nothing is written into it."""
    monkeypatch.chdir(wrong_files)
    return wrong_files


WRONG_COMMANDS = [
    ([], "required: COMMAND"),
    (["rum"], "invalid choice"),
    (["run"], "required: FILE"),
    (["run", "small.toml", "--frsh"], "--frsh"),
    (["run", "none.toml"], "none.toml: cannot be read"),
    (["run", "binary.toml"], "binary.toml: not a TOML file"),
    (["run", "folder.h5"], "folder.h5: cannot be read"),
    (["run", "small.toml", "--run.stps", "3"], "did you mean steps?"),
    (["run", "small.toml", "--rum.steps", "3"], "no such table, did you mean run?"),
    (["run", "small.toml", "--run.steps", "many"], "[run] steps: expected int"),
    (["run", "small.toml", "--run.steps"], "--run.steps: a value is missing"),
    (["run", "small.toml", "--run.steps.more", "3"], "steps is not a table"),
    (["run", "small.toml", "--run.output", "folder.h5"], "folder.h5"),
    (["run", "small.toml", "--run.output", "small.toml/x.h5"], "small.toml/x.h5: cannot be written"),
    (["run", "small.toml", "--run.output", "/proc/nowhere/x.h5"], "/proc/nowhere/x.h5: cannot be written"),
    (["run", "small.toml", "--run.output", "small.toml"], "small.toml: not a whole HDF5 file"),
    (["run", "small.toml", "--run.output", "folder.h5", "--fresh"], "folder.h5: not a file"),
    (["run", "small.toml", "--run.output", "good.h5"], "good.h5 exists with another configuration"),
    (["run", "small.toml", "--run.output", "script.h5"], "script.h5 exists, the result of a script"),
    (["run", "script.h5"], "the result of a script"),
    (["run", "cut.h5"], "cut.h5: not a whole HDF5 file"),
    (["run", "small.toml", "--run.init_from", "good.h5"], "[run] init_from: good.h5"),
    (["run", "small.toml", "--run.output", "x" * 300 + ".h5"], "cannot be looked at: File name too long"),
    (["run", "small.toml", "--dry-run", "--ansatz.alpha", "2e9"], "[ansatz] 1.44e+11 parameters are more than 1e+09"),
    (["report", "none.h5"], "none.h5: cannot be read"),
    (["report", "small.toml"], "results/small.h5: cannot be read: No such file"),
    (["scan", "small.toml"], "small.toml: [scan]: missing, so this is no scan"),
    (["scan", "good.h5"], "good.h5: not a TOML file"),
    (["status", "cut.h5"], "cut.h5: not a whole HDF5 file"),
    (["collect", "good.h5"], "good.h5: not a TOML file"),
    (["collect", "folder.h5"], "folder.h5: a folder without the manifest.toml of a scan"),
    (["report", "cut.h5"], "cut.h5: not a whole HDF5 file"),
    (["report", "nothing.h5"], "nothing.h5: not a whole HDF5 file"),
    (["report", "newer.h5"], "newer.h5: written by a newer nqs"),
    (["report", "foreign.h5"], "foreign.h5: an HDF5 file, but not a result"),
    (["report", "endless.h5"], "endless.h5: an HDF5 file, but not a result"),
    (["report", "dangling.h5"], "dangling.h5: an HDF5 file, but not a result"),
    *((["report", f"{name}.h5"], f"{name}.h5: a damaged result") for name in DAMAGES),
    (["report", "folder.h5"], "folder.h5: a folder without the manifest.toml of a scan"),
    (["report", "/dev/zero"], "/dev/zero: cannot be read: not a file"),
    (["report", "none.h5", "--run.steps", "3"], "takes no --run.steps"),
    (["plot", "small.toml"], "results/small.h5: cannot be read: No such file"),
    (["plot", "good.h5", "-o", "none/x.png"], "none/x.png: cannot be written"),
    (["plot", "good.h5", "-o", "x.nosuchformat"], "x.nosuchformat: cannot be written"),
    (["measure"], "required: RESULT"),
    (["measure", "none.h5"], "none.h5: cannot be read"),
    (["measure", "small.toml"], "small.toml: not a whole HDF5 file"),
    (["measure", "cut.h5"], "cut.h5: not a whole HDF5 file"),
    (["measure", "folder.h5"], "folder.h5: cannot be read"),
    (["measure", "damaged.h5"], "damaged.h5: a damaged result"),
    (["measure", "odd_observables.h5"], "odd_observables.h5: a damaged result"),
    (["measure", "script.h5"], "script.h5: the result of a script"),
    (["measure", "good.h5"], "good.h5: parameter 'weights' has shape (4, 4), not (8, 8)"),
    (["measure", "good.h5", "--samples", "0"], "--samples: must be a whole number of at least 1, not '0'"),
    (["measure", "good.h5", "--burn-in", "-1"], "--burn-in"),
    (["measure", "good.h5", "--region", "left"], "--region: 'left' is no list of sites"),
    (["measure", "good.h5", "--run.seed", "3"], "takes no --run.seed"),
    (["exact", "sk40.toml"], "no exact energies"),
    (["exact", "small.toml", "--levels", "0"], "--levels 0"),
    (["exact", "small.toml", "--levels", "some"], "invalid int"),
]


def assert_refused(folder, capfd, arguments, message):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert call(*arguments) == 2
    output = capfd.readouterr()
    assert len(output.err.splitlines()) == 1, output.err
    assert message in output.err
    assert "Traceback" not in output.out + output.err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    return output.err


@pytest.mark.parametrize(("text", "message"), WRONG_FILES, ids=[message[:40] for _, message in WRONG_FILES])
def test_wrong_run_file(folder, capfd, text, message):
    """The line names the file besides."""
    (folder / "wrong.toml").write_text(text)
    line = assert_refused(folder, capfd, ["run", "wrong.toml"], message)
    assert line.startswith("nqs: wrong.toml: ")


@pytest.mark.parametrize(("arguments", "message"), WRONG_COMMANDS, ids=lambda value: str(value)[:40])
def test_wrong_command(folder, capfd, arguments, message):
    assert_refused(folder, capfd, arguments, message)

"""The result file: whole, readable by others, refused by name where it is not ours."""

import h5py
import numpy as np
import pytest
import xarray

import nqs
from nqs import files, results
from nqs.errors import InputError
from nqs.files import Dataset, Group
from nqs.results import Observable, Result


def example(**changes) -> Result:
    steps = np.arange(5.0)
    values = {
        "status": "running",
        "config": "",
        "config_hash": "abc",
        "energy_unit": "unit of J",
        "provenance": ({"argv": "nqs run x", "ranks": 2}, {"argv": "nqs run x", "ranks": 3}),
        "history": {name: steps + i for i, name in enumerate(results.HISTORY)} | {"step": steps},
        "parameters": {"weights": np.eye(3), "layers/0/bias": np.array([1 + 2j, 0])},
        "state": {
            "step": 5,
            "chains": np.ones((4, 3), np.int8),
            "energy_shift": -1.5,
            "window": np.zeros((2, 2, 4)),
            "optimizer": [np.array(3), np.ones(2)],
        },
        "measured": dict.fromkeys(results.MEASURED, -2.0),
        "instance": {"couplings": np.triu(np.ones((3, 3)), 1)},
        "observables": {
            "m": Observable(0.5, 0.1, "1", "magnetisation"),
            "structure_factor": Observable(
                np.arange(6.0).reshape(2, 3), np.ones((2, 3)), "1", "S(k)", {"kx": np.arange(2.0), "ky": np.arange(3.0)}
            ),
        },
    }
    return Result(**{**values, **changes})


def test_a_result_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "x.h5"
    results.write(path, example())
    read = results.read(path)
    assert read.provenance == example().provenance
    assert (read.status, read.config_hash, read.n_steps) == ("running", "abc", 5)
    assert read.state["energy_shift"] == -1.5
    assert read.state["chains"].dtype == np.int8
    for mine, theirs in [
        (read.history, example().history),
        (read.parameters, example().parameters),
        (read.instance, example().instance),
    ]:
        assert mine.keys() == theirs.keys()
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name])
    assert [a.tolist() for a in map(np.asarray, read.state["optimizer"])] == [3, [1.0, 1.0]]
    assert read.measured == example().measured
    assert read.observables.keys() == {"m", "structure_factor"}
    assert read.observables["m"] == example().observables["m"]
    field, expected = read.observables["structure_factor"], example().observables["structure_factor"]
    assert list(field.axes) == ["kx", "ky"]
    np.testing.assert_array_equal(field.mean, expected.mean)
    np.testing.assert_array_equal(field.axes["ky"], [0, 1, 2])


def test_xarray_opens_the_history(tmp_path):
    path = tmp_path / "x.h5"
    results.write(path, example())
    with xarray.open_dataset(path, group="history", engine="h5netcdf") as history:
        assert set(history.variables) == set(results.HISTORY)
        assert history["energy"].dims == ("step",)
        assert history["energy"].attrs["units"] == "unit of J"
        assert history["variance"].attrs["units"] == "(unit of J)^2"
        np.testing.assert_array_equal(history["energy"].sel(step=[2.0]), [3.0])
        assert all(history[name].dtype == np.float64 for name in results.HISTORY)


def test_a_file_without_steps_opens(tmp_path):
    state = {**example().state, "step": 0}
    results.write(tmp_path / "x.h5", example(history=results.empty_history(), measured={}, instance={}, state=state))
    assert results.read(tmp_path / "x.h5").n_steps == 0
    with xarray.open_dataset(tmp_path / "x.h5", group="history", engine="h5netcdf") as history:
        assert history.sizes["step"] == 0


@pytest.mark.parametrize("kept", [0, 100, 3000])
def test_a_truncated_file_is_refused_by_name(tmp_path, kept):
    path = tmp_path / "x.h5"
    results.write(path, example())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"x\.h5: not a whole HDF5 file"):
        nqs.load(path)


def test_foreign_and_newer_files_are_refused_by_name(tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match=r"foreign\.h5: an HDF5 file, but not a result of nqs"):
        nqs.load(tmp_path / "foreign.h5")
    content = results.to_group(example())
    content.attributes["format_version"] = 2
    files.write(tmp_path / "new.h5", content)
    with pytest.raises(InputError, match=r"new\.h5: written by a newer nqs \(format 2"):
        nqs.load(tmp_path / "new.h5")
    del content.items["state"]
    content.attributes["format_version"] = 1
    files.write(tmp_path / "damaged.h5", content)
    with pytest.raises(InputError, match=r"damaged\.h5: a damaged result: KeyError\('state'"):
        nqs.load(tmp_path / "damaged.h5")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x.h5"
    results.write(path, example())
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        results.write(path, example(status="complete"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_text_numbers_and_arrays_keep_their_kind(tmp_path):
    content = Group({"a": Dataset("text ⟨x⟩"), "g": Group({"b": Dataset(3), "c": Dataset(np.arange(3))})}, {"k": 1.5})
    files.write(tmp_path / "y.h5", content)
    read = files.read(tmp_path / "y.h5")
    assert read.attributes == {"k": 1.5}
    assert read.items["a"].values == "text ⟨x⟩"
    assert read.items["g"].items["b"].values == 3
    np.testing.assert_array_equal(read.items["g"].items["c"].values, [0, 1, 2])

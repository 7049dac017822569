"""`nqs run RESULT.h5`: what a result holds is enough to run it again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from launching import SMALL, call

from nqs import files, results


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


def content(path: Path) -> dict[str, Any]:
    """All that a result holds, but for times, its own name and how it was started."""

    def flat(item: files.Group | files.Dataset, name: str) -> dict[str, Any]:
        if isinstance(item, files.Dataset):
            return {name: item.values}
        children = {key: child for key, child in item.items.items() if key not in ("provenance", "wall_time")}
        found = {f"{name}/{key}": value for key, child in children.items() for key, value in flat(child, key).items()}
        return found | {f"{name}@{key}": value for key, value in item.attributes.items()}

    found = flat(files.read(path), "")
    return found | {"/config": found["/config"].replace(path.name, "")}


def test_a_result_reruns_itself(folder, monkeypatch, capsys):
    """A finished one is done; started afresh it gives the same content."""
    monkeypatch.chdir(folder)
    assert call("run", "small.toml", "--run.output", "x.h5") == 0
    capsys.readouterr()
    assert call("run", "x.h5") == 0
    assert "complete already" in capsys.readouterr().out
    assert call("run", "x.h5", "--run.output", "y.h5") == 0
    one, other = content(folder / "x.h5"), content(folder / "y.h5")
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(other[name], values, err_msg=name)


@pytest.mark.parametrize("name", ['a"b.h5', "a\\tb.h5", "é'.h5"])
def test_a_result_of_an_odd_name_is_continued_in_its_place(folder, monkeypatch, name):
    monkeypatch.chdir(folder)
    assert call("run", "small.toml", "--run.steps", 2, "--run.output", "plain.h5") == 0
    (folder / "plain.h5").rename(folder / name)
    assert call("run", name, "--run.steps", 3) == 0
    assert results.read(folder / name).n_steps == 3
    assert {path.name for path in folder.iterdir()} == {"small.toml", name}


def test_a_result_reruns_with_the_disorder_and_the_start_that_its_run_file_names(folder, monkeypatch, capsys):
    """An override of the instance draws other couplings, and init_from is read again."""
    monkeypatch.chdir(folder)
    (folder / "sk.toml").write_text(
        SMALL.replace('"transverse_ising"', '"sherrington_kirkpatrick"').replace("extent = [8]", "n_sites = 8")
    )
    assert call("run", "sk.toml", "--run.output", "a.h5") == 0
    assert call("run", "a.h5", "--hamiltonian.instance", 1, "--run.output", "b.h5") == 0
    one, other = (results.read(folder / name).instance["couplings"] for name in ("a.h5", "b.h5"))
    assert not np.array_equal(one, other)
    capsys.readouterr()
    assert call("exact", "a.h5") == 0
    exact = capsys.readouterr().out
    assert call("exact", "a.h5", "--hamiltonian.instance", 1) == 0
    assert capsys.readouterr().out != exact
    assert call("run", "sk.toml", "--run.init_from", "a.h5", "--run.output", "c.h5") == 0
    assert call("run", "c.h5", "--run.output", "d.h5") == 0
    energies = [results.read(folder / name).history["energy"] for name in ("a.h5", "c.h5", "d.h5")]
    np.testing.assert_array_equal(energies[1], energies[2])
    assert energies[0][0] != energies[1][0]

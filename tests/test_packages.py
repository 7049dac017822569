"""What is installed is what is there."""

import tomllib
from importlib.resources import files
from pathlib import Path

import nqs

ROOT = Path(__file__).parents[1]


def test_every_package_is_listed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    inits = [file for name in ("nqs", "hamiltonians") for file in (ROOT / name).rglob("__init__.py")]
    found = {".".join(file.parent.relative_to(ROOT).parts) for file in inits}
    assert set(listed) == found | {"nqs.slurm"}


def test_no_module_takes_the_place_of_a_name_of_the_package():
    """Once imported, nqs/x.py would be `nqs.x`, whatever else that was."""
    assert {file.stem for file in (ROOT / "nqs").iterdir()}.isdisjoint(dir(nqs))


def test_batch_scripts_are_found_where_they_are_installed():
    names = {file.name for file in files("nqs.slurm").iterdir() if file.name.endswith(".sbatch")}
    assert names == {"run.sbatch", "scan.sbatch", "gpu.sbatch"}

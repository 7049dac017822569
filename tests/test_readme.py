"""The code of the README runs and is right."""

import re
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from launching import call

import nqs
from hamiltonians.exact import ground_state
from nqs import results, run_file

TEXT = (Path(__file__).parents[1] / "README.md").read_text()


def test_a_run_file_names_the_classes_of_a_user(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    (tmp_path / "models.py").write_text(code("class Cluster") + code("class Jastrow"))
    (tmp_path / "cluster.toml").write_text(
        code('"models:Cluster"') + '[ansatz]\nkind = "models:Jastrow"\n[sampler]\nn_chains = 8\nn_samples = 32\n'
        "[measure]\nn_samples = 64\n[run]\nsteps = 2\n"
    )
    assert call("run", "cluster.toml") == 0
    assert "exact      -6" in capsys.readouterr().out
    assert call("run", "results/cluster.h5", "--run.steps", 3) == 0
    loaded = nqs.load(tmp_path / "results" / "cluster.h5")
    assert loaded.n_steps == 3
    assert loaded.ansatz.couplings.shape == (6, 6)


def code(beginning: str) -> str:
    (block,) = (b for b in re.findall(r"```\w*\n(.*?)```", TEXT, re.DOTALL) if beginning in b)
    return block


def test_the_script(tmp_path, monkeypatch):
    script = code("import nqs, jax")
    assert len([line for line in script.splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(tmp_path)
    quick = script.replace("(40,)", "(8,)").replace("RBM(40", "RBM(8").replace(".run(300", ".run(3")
    exec(quick, {})
    assert results.read(tmp_path / "ring.h5").n_steps == 3


def test_the_run_file_is_the_quickstart(tmp_path):
    (tmp_path / "readme.toml").write_text(code("[hamiltonian]   "))
    quickstart = run_file.read(Path(__file__).parents[1] / "runs" / "quickstart.toml", {})
    assert run_file.read(tmp_path / "readme.toml", {}) == quickstart


def test_the_hamiltonian_and_the_ansatz_of_a_user():
    names: dict = {}
    exec(code("class Cluster"), names)
    exec(code("class Jastrow"), names)
    hamiltonian = names["Cluster"](6)
    assert ground_state(hamiltonian)[0][0] == pytest.approx(hamiltonian.reference_energy(), abs=1e-9)
    ansatz = names["Jastrow"](6, key=jax.random.key(0))
    sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=16, n_samples=64)
    result = nqs.VMC(hamiltonian, ansatz, sampler, nqs.sr(0.05)).run(3, measure_samples=64, measure_burn_in=50)
    assert np.isfinite(result.measured["energy"])

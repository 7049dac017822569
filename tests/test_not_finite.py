"""Energies, gradients and measurements that are not finite end the run, which names what is kept."""

import re
from pathlib import Path

import numpy as np
import pytest
from launching import RANKS, SMALL, nqs

from nqs import results


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


@pytest.mark.parametrize("ranks", RANKS)
def test_a_non_finite_energy_ends_the_run_and_names_what_is_kept(folder, ranks):
    options = ("--optimizer.kind", "sgd", "--optimizer.learning_rate", 1e200, "--run.output", "x.h5")
    done = nqs("run", "small.toml", *options, ranks=ranks, cwd=folder)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("nqs: step")]
    assert re.match(r"nqs: step \d+, rank \d+: (the energy of chain \d+|a parameter) is not finite", line)
    assert "x.h5 keeps the last good snapshot" in line
    kept = results.read(folder / "x.h5")
    assert kept.status == "failed"
    assert all(np.isfinite(values).all() for values in kept.parameters.values())


BROKEN = """
import jax, jax.numpy as jnp, nqs

class Kinked(nqs.Ansatz):
    scale: jax.Array
    def __init__(self, n_sites, *, key):
        self.scale = jnp.zeros(())
    def __call__(self, x):
        return jnp.sqrt(self.scale)

class Undefined(nqs.Ansatz):
    scale: jax.Array
    def __init__(self, n_sites, *, key):
        self.scale = jnp.ones(())
    def __call__(self, x):
        return jnp.where(jnp.sum(x) == 0, jnp.nan, 0.0) * self.scale
"""
NOT_FINITE = {
    "gradient": ("Kinked", 3, r"nqs: step 0, rank [0-2, ]+: the energy gradient is not finite"),
    "measurement": ("Undefined", 0, r"nqs: measurement, rank [0-2, ]+: a local energy is not finite"),
}


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("what", NOT_FINITE)
def test_what_is_not_finite_ends_the_run_and_names_what_is_kept(folder, what, ranks):
    """The derivative of √θ at θ = 0; local energies beside configurations whose ψ is no number."""
    name, steps, message = NOT_FINITE[what]
    (folder / "models.py").write_text(BROKEN)
    options = ("--ansatz.kind", f"models:{name}", "--run.steps", steps, "--run.output", "x.h5")
    done = nqs("run", "small.toml", *options, ranks=ranks, cwd=folder)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("nqs: ") and "finite" in line]
    assert re.match(message, line)
    assert line.endswith("x.h5 keeps the last good snapshot, of 0 steps")
    assert results.read(folder / "x.h5").status == "failed"

"""Energies, gradients and measurements that are not finite end the run, which names what is kept."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from launching import RANKS, SMALL, small_vmc
from launching import nqs as start_nqs

import nqs
from nqs import results
from nqs.errors import RunError


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


@pytest.mark.parametrize("ranks", RANKS)
def test_a_non_finite_energy_ends_the_run_and_names_what_is_kept(folder, ranks):
    options = ("--optimizer.kind", "sgd", "--optimizer.learning_rate", 1e200, "--run.output", "x.h5")
    done = start_nqs("run", "small.toml", *options, ranks=ranks, cwd=folder)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("nqs: step")]
    assert re.match(r"nqs: step \d+, rank \d+: (the energy of chain \d+|a parameter) is not finite", line)
    assert "x.h5 keeps the last good snapshot" in line
    kept = results.read(folder / "x.h5")
    assert kept.status == "failed"
    assert all(np.isfinite(values).all() for values in kept.parameters.values())


def test_a_parameter_that_is_not_finite_is_named(tmp_path):
    """A step of infinite length, at energies and a gradient that are finite."""
    vmc = small_vmc()
    endless = nqs.VMC(
        vmc.hamiltonian, vmc.ansatz, vmc.sampler, nqs.sgd(lambda step: jnp.where(step == 2, jnp.inf, 0.01))
    )
    with pytest.raises(RunError, match=r"step 2, rank 0: a parameter is not finite after the update; .*of 0 steps"):
        endless.run(4, output=tmp_path / "x.h5")
    assert results.read(tmp_path / "x.h5").status == "failed"


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
    done = start_nqs("run", "small.toml", *options, ranks=ranks, cwd=folder)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("nqs: ") and "finite" in line]
    assert re.match(message, line)
    assert line.endswith("x.h5 keeps the last good snapshot, of 0 steps")
    assert results.read(folder / "x.h5").status == "failed"

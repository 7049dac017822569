"""Energies, gradients and measurements that are not finite end the run, which names what is kept."""

import json
import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from launching import COMMANDS, RANKS, SMALL, small_vmc, start

import nqs
from nqs import results
from nqs.errors import RunError


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


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
ENERGY = r"nqs: step \d+, rank \d+: (the energy of chain \d+|a parameter) is not finite.*"
NOT_FINITE = {
    "energy": (("--optimizer.kind", "sgd", "--optimizer.learning_rate", 1e200), ENERGY, r"\d+"),
    "gradient": (
        ("--ansatz.kind", "models:Kinked"),
        r"nqs: step 0, rank [0-2, ]+: the energy gradient is not finite.*",
        "0",
    ),
    "measurement": (
        ("--ansatz.kind", "models:Undefined", "--run.steps", 0),
        r"nqs: measurement, rank [0-2, ]+: a local energy is not finite.*",
        "0",
    ),
}


@pytest.mark.parametrize("ranks", RANKS)
def test_what_is_not_finite_ends_the_run_and_names_what_is_kept(folder, ranks):
    """A step of 1e200; the derivative of √θ at θ = 0; local energies beside configurations whose ψ is no number."""
    (folder / "models.py").write_text(BROKEN)
    commands = [
        ("run", "small.toml", *options, "--run.output", f"{what}.h5") for what, (options, _, _) in NOT_FINITE.items()
    ]
    done = start(*COMMANDS, json.dumps(commands), ranks=ranks, cwd=folder)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if "finite" in line or "nqs: code" in line]
    for (what, (_, message, n_steps)), line, code in zip(NOT_FINITE.items(), lines[::2], lines[1::2], strict=True):
        assert re.fullmatch(f"{message}; {what}.h5 keeps the last good snapshot, of {n_steps} steps", line)
        assert code == "nqs: code 1"
        kept = results.read(folder / f"{what}.h5")
        assert kept.status == "failed"
        assert all(np.isfinite(values).all() for values in kept.parameters.values())

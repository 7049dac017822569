"""Starts programs as a user would: with the Python of this environment and the mpirun beside it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from nqs import results

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent

SMALL = """
[hamiltonian]
kind = "transverse_ising"
extent = [8]
transverse_field = 0.8

[sampler]
n_chains = 10
n_samples = 40
burn_in = 5

[optimizer]
kind = "sr"

[measure]
n_samples = 400
burn_in = 20

[run]
steps = 6
"""


def start(*command: object, ranks: int = 0, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, under mpirun where `ranks` is given."""
    launcher = [str(BIN / "mpirun"), "-n", str(ranks)] if ranks else []
    return subprocess.run(
        [*launcher, *map(str, command)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def nqs(*arguments: object, ranks: int = 0, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`nqs …` of this environment."""
    return start(BIN / "nqs", *arguments, ranks=ranks, cwd=cwd, **environment)


def history(path: Path) -> dict[str, np.ndarray]:
    """The columns of a result that do not depend on the clock."""
    columns = results.read(path).history
    return {name: values for name, values in columns.items() if name != "wall_time"}

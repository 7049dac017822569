"""Starts programs as a user would: with the Python of this environment and the mpirun beside it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nqs import cli, results, run_file
from nqs.lock import is_being_written
from nqs.scan_file import Point

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
COMMANDS = (sys.executable, HERE / "commands_program.py")

# Open MPI refuses root and more ranks than cores without these; MPICH does not know them.
MPI_SETTINGS = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
}

# Serial, which takes long beside the other, and several ranks.
RANKS = [pytest.param(0, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.mpi)]

# Three samples a chain: too few for R-hat, whose library takes two seconds to import.
SMALL = """
[hamiltonian]
kind = "transverse_ising"
extent = [8]
transverse_field = 0.8

[sampler]
n_chains = 10
n_samples = 30
burn_in = 5

[optimizer]
kind = "sr"

[measure]
n_samples = 30
burn_in = 20

[run]
steps = 6
"""


def call(*arguments: object) -> int | str | None:
    """The exit code of `nqs …` in this process."""
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    return caught.value.code


def small_result(n_steps: int = 2) -> results.Result:
    """A result as a run would write it, made without one."""
    return results.Result(
        status="running",
        config=run_file.to_toml(run_file.parse_text(SMALL + "seed = 1", "small.toml")),
        config_hash="0",
        energy_unit="unit of J",
        provenance=({"argv": "nqs run small.toml", "seed": 1},),
        history={name: np.arange(n_steps) + 0.5 for name in results.HISTORY},
        parameters={"weights": np.ones((4, 4)), "hidden_bias": np.ones(4)},
        state={
            "step": n_steps,
            "chains": np.ones((10, 8), np.int8),
            "energy_shift": 0.0,
            "window": np.zeros((0, 2, 10)),
            "optimizer": [],
        },
    )


def measured(energy: float, **others: float) -> dict[str, float]:
    """What a measurement at the end would give, with this energy."""
    return {**dict.fromkeys(results.MEASURED, 0.5), "energy": energy, "energy_error": 0.01, "rhat": 1.0, **others}


def write_point(point: Point, n_steps: int = 6, **others: Any) -> None:
    """The result of a point, made without a run."""
    config = point.config
    assert config is not None
    found = replace(small_result(n_steps), config=run_file.to_toml(config), config_hash=run_file.config_hash(config))
    point.path.parent.mkdir(parents=True, exist_ok=True)
    results.write(point.path, replace(found, **{"status": "complete", **others}))


def start(*command: object, ranks: int = 0, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, under mpirun where `ranks` is given."""
    launcher = [str(BIN / "mpirun"), "-n", str(ranks)] if ranks else []
    return subprocess.run(
        [*launcher, *map(str, command)],
        cwd=cwd,
        env={**os.environ, **MPI_SETTINGS, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def begin(folder: Path, *command: object, ranks: int) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    launcher = [str(BIN / "mpirun"), "-n", str(ranks)] if ranks else []
    return subprocess.Popen(
        [*launcher, *map(str, command)],
        cwd=folder,
        env={**os.environ, **MPI_SETTINGS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something is so, or the process has ended."""
    deadline = time.monotonic() + 240
    while not what():
        if time.monotonic() > deadline or process.poll() is not None:
            raise AssertionError(f"it did not come to this: {process.communicate(timeout=10)}")
        time.sleep(0.1)


def wait_for_steps(path: Path, process: subprocess.Popen[str], n_steps: int = 1) -> None:
    """Wait until the result holds some steps."""
    wait_for(lambda: path.exists() and results.read(path).n_steps >= n_steps, process)


def ranks_of(folder: Path) -> list[int]:
    """The processes of nqs that work in a folder."""
    programs = {str(BIN / "nqs").encode(), str(COMMANDS[-1]).encode()}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            if (process / "cwd").resolve() == folder.resolve() and programs.intersection(command[1:2]):
                found.append(int(process.name))
        except OSError:
            continue
    return sorted(found)


def assert_gone(path: Path) -> None:
    """No rank is left, nor its lock: a process that is in an fsync when it is killed keeps its files for a moment."""
    deadline = time.monotonic() + 10
    while (ranks_of(path.parent) or is_being_written(path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ranks_of(path.parent) == []
    assert not is_being_written(path)


def nqs(*arguments: object, ranks: int = 0, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`nqs …` of this environment."""
    return start(BIN / "nqs", *arguments, ranks=ranks, cwd=cwd, **environment)


def read_only(folder: Path | str) -> str:
    """The command that mounts a folder over itself, read-only."""
    return f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}'"


def is_open_mpi() -> bool:
    """Whether the mpirun beside this Python is that of Open MPI."""
    done = subprocess.run([BIN / "mpirun", "--version"], capture_output=True, text=True, check=True)
    return "Open MPI" in done.stdout


def history(path: Path) -> dict[str, np.ndarray]:
    """The columns of a result that do not depend on the clock."""
    columns = results.read(path).history
    return {name: values for name, values in columns.items() if name != "wall_time"}


def small_vmc(**options) -> Any:
    """An Ising ring of eight sites."""
    import jax

    import nqs
    from hamiltonians.ising import TransverseIsing
    from hamiltonians.lattice import Lattice

    hamiltonian = TransverseIsing(Lattice("chain", (8,)), transverse_field=0.8)
    ansatz = nqs.RBM(8, key=jax.random.key(0))
    sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=10, n_samples=30)
    return nqs.VMC(hamiltonian, ansatz, sampler, nqs.sgd(0.02), **options)

"""What started this process: the launchers of MPI, as their environment and their processes show."""

import itertools
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from nqs.errors import InputError

# The number of processes as launchers state it, with the MPI that reads it.
LAUNCHERS = {
    "OMPI_COMM_WORLD_SIZE": "Open MPI",
    "PMI_SIZE": "MPICH or Intel MPI",
    "MV2_COMM_WORLD_SIZE": "MVAPICH",
    "PALS_SIZE": "Cray MPICH",
    "SLURM_STEP_NUM_TASKS": "Slurm's srun",
}

# The rank of a process as launchers state it.
MPIRUN_VARIABLES = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
RANK_VARIABLES = (*MPIRUN_VARIABLES, "SLURM_PROCID")
# How often a rank looks whether its launcher is alive.
LOOK_SECONDS = 1.0


def is_first_rank() -> bool:
    """Whether this process is the one of a launch that speaks, as far as its environment says."""
    return all(os.environ.get(variable, "0") == "0" for variable in RANK_VARIABLES)


def refuse_foreign_launcher(library: str, environment: Mapping[str, str]) -> None:
    """Raise `InputError` if the environment says several processes, of which this MPI sees one."""
    for variable, launcher in LAUNCHERS.items():
        count = environment.get(variable, "1")
        if count.isdigit() and int(count) > 1:
            own = "no MPI (mpi4py is not installed or finds no library)" if library == "none" else library
            raise InputError(
                f"the launcher of {launcher} started {count} processes ({variable}={count}), but this Python uses "
                f"{own} and sees one: use the mpirun that belongs to it, or install mpi4py for {launcher}"
            )


def is_started_by_mpirun(environment: Mapping[str, str]) -> bool:
    """Whether an mpirun started this process; a shell that srun started may be left by what it runs, as with nohup."""
    return any(variable in environment for variable in MPIRUN_VARIABLES)


def end_with_launcher() -> None:
    """End this process within seconds of the death of its launcher, or of a wrapper between them."""
    chain = [os.getpid()]
    while _is_started_as_rank(chain[-1]) and (parent := _parent_of(chain[-1])):
        chain.append(parent)
    links = list(itertools.pairwise(chain))

    def watch() -> None:
        while all(_parent_of(child) == parent for child, parent in links):
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _is_started_as_rank(pid: int) -> bool:
    """Whether the environment of a process is that of a rank, so that its parent is its launcher or a wrapper."""
    if pid == os.getpid():
        return True
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(entry.partition(b"=")[0].decode(errors="replace") in RANK_VARIABLES for entry in environment)


def _parent_of(pid: int) -> int:
    """The parent of a process, 0 where it cannot be told."""
    if pid == os.getpid():
        return os.getppid()
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0

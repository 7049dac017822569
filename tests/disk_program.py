"""Run by test_disk_faults: `disk_program.py FILE [FAULT …]` optimises for 20 steps, with a snapshot after each.

Rank 0 does a FAULT after the steps 5, 9 and 12: `limit` and `unlimit` the size of files, `fill` the disk, `remove` its
folder, or make it `readonly` and `writable`. A file that exists is continued.
"""

import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from launching import read_only, small_vmc

import nqs

path = Path(sys.argv[1])


def limit(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def fill() -> None:
    with pytest.raises(OSError, match="No space left"):
        (path.parent / "rest").write_bytes(bytes(10**6))


ACTIONS = {
    "limit": lambda: limit(2000),
    "unlimit": lambda: limit(resource.RLIM_INFINITY),
    "fill": fill,
    "remove": lambda: shutil.rmtree(path.parent),
    "readonly": lambda: subprocess.run(["sh", "-c", read_only(path.parent)], check=True),
    "writable": lambda: subprocess.run(["umount", path.parent], check=True),
}
communicator = nqs.connect()
at_step = dict(zip((5, 9, 12), sys.argv[2:], strict=False))


def act(row: dict[str, float]) -> None:
    if communicator.is_root and row["step"] in at_step:
        ACTIONS[at_step[row["step"]]]()


previous = nqs.load(path) if path.exists() else None
communicator.barrier()
vmc = small_vmc(communicator=communicator)
result = vmc.run(
    20, output=path, previous=previous, measure_samples=30, measure_burn_in=50, snapshot_seconds=1e-9, on_step=act
)
if communicator.is_root:
    sys.stdout.write(" ".join([result.status, *(warning["kind"] for warning in result.warnings)]) + "\n")

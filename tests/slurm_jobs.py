"""Jobs of a Slurm: submitted, waited for, compared."""

import re
import subprocess
import time
from pathlib import Path

import numpy as np
from launching import history

from nqs import results

ENDS = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}


def said_by(*command: object, folder: Path) -> str:
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sbatch(*arguments: object, folder: Path) -> str:
    """The number of a new job."""
    return said_by("sbatch", "--parsable", *arguments, folder=folder).strip()


def job_in(said: str) -> str:
    match = re.search(r"submitted as job (\d+)", said)
    assert match, said
    return match[1]


def states(job: str) -> list[dict[str, str]]:
    """What Slurm knows of a job, or of the tasks of an array."""
    lines = said_by("scontrol", "--oneliner", "show", "job", job, folder=Path.cwd()).splitlines()
    return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]


def wait_until(what, say, seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, say()
        time.sleep(0.1)


def wait_for(job: str, state: str) -> list[dict[str, str]]:
    """Wait until the job, every task of an array, is in a state; it must not end in another one."""

    def has_come() -> bool:
        now = {found["JobState"] for found in states(job)}
        assert not now & ENDS - {state}, logs(job)
        return now == {state}

    wait_until(has_come, lambda: logs(job))
    return states(job)


def logs(job: str) -> str:
    """What Slurm knows and the log of a job holds, for a person who looks for what went wrong."""
    found = states(job)
    return "\n".join([str(found), *(path.read_text() for one in found if (path := Path(one["StdOut"])).exists())])


def wait_for_start(path: Path, job: str) -> None:
    """Wait for the snapshot before step 0: what is asked of the run then, it does in its first steps."""
    wait_until(path.exists, lambda: logs(job))


def assert_same(path: Path, folder: Path) -> None:
    """The result is that of the uninterrupted run, bit for bit but for the clock."""
    expected = results.read(folder / "results" / "long.h5")
    found = results.read(path)
    assert (found.status, found.n_steps) == ("complete", expected.n_steps)
    for name, values in history(folder / "results" / "long.h5").items():
        np.testing.assert_array_equal(found.history[name], values, err_msg=name)
    assert found.measured["energy"] == expected.measured["energy"]

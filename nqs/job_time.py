"""How much time the job of Slurm has left that this process runs in."""

import contextlib
import re
import subprocess
import time
from collections.abc import Mapping

# A run ends by itself so long before its job, or after nine tenths of a short one.
MARGIN_SECONDS = 60.0
SQUEUE_SECONDS = 20.0


def seconds_to_work(environment: Mapping[str, str]) -> float | None:
    """How long a run can go on without being killed by Slurm; None outside of a job, or if its end is not known."""
    left = _seconds_left(environment)
    return None if left is None else max(0.9 * left, left - MARGIN_SECONDS)


def parse_duration(text: str) -> float | None:
    """Seconds in a duration as squeue prints it, days-hours:minutes:seconds; None for "UNLIMITED" and the like."""
    match = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)", text.strip())
    if not match:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _seconds_left(environment: Mapping[str, str]) -> float | None:
    job = environment.get("SLURM_JOB_ID", "")
    if not job:
        return None
    if "SLURM_ARRAY_TASK_ID" in environment:  # one task has the number of its array, of which squeue lists all
        job = f"{environment.get('SLURM_ARRAY_JOB_ID')}_{environment['SLURM_ARRAY_TASK_ID']}"
    end = environment.get("SLURM_JOB_END_TIME", "")  # not set by older versions
    if end.isdecimal() and int(end) > 0:
        return max(0.0, int(end) - time.time())
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["squeue", "--noheader", f"--jobs={job}", "--format=%L"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SQUEUE_SECONDS)
        return parse_duration(done.stdout)
    return None

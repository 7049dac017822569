"""Where a result comes from: one record a launch."""

import functools
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nqs.parallel import Communicator
from nqs.user_source import user_sources

PACKAGES = ("nqs", "jax", "jaxlib", "equinox", "optax", "numpy", "scipy", "h5py", "mpi4py", "netket")


def describe_launch(communicator: Communicator, seed: int, hamiltonian: Any, ansatz: Any) -> dict[str, Any]:
    """What ran, where and with what; the end is added by `ended`. Collective."""
    hosts = communicator.gather_objects(platform.node())
    commit, diff = _git_state(Path(__file__).parent) if communicator.is_root else ("", "")
    job = os.environ.get("SLURM_JOB_ID", "")
    return {
        "argv": " ".join(sys.argv),
        "git_commit": commit,
        "git_diff": diff,
        "versions": _versions(communicator.library),
        "ranks": communicator.size,
        "threads": communicator.threads.xla,
        "blas_threads": communicator.threads.blas,
        "blas_threads_alone": communicator.most_alone,
        "hosts": " ".join(sorted(set(hosts))),
        "machine": platform.machine(),
        "slurm_job": job,
        "seed": seed,
        "start": _now(),
        "end": "",
        **user_sources(hamiltonian, ansatz),
    }


def ended(launch: dict[str, Any]) -> dict[str, Any]:
    """The record with its end."""
    return {**launch, "end": _now()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions(mpi: str) -> str:
    lines = [f"python {platform.python_version()}", f"mpi {mpi}"]
    for package in PACKAGES:
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return "\n".join(lines)


@functools.cache
def _git_state(folder: Path) -> tuple[str, str]:
    """The commit of the source and what differs from it when it is first asked for; empty where the source is not a
    checkout of its own.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, check=True, timeout=10)
        return done.stdout.decode(errors="backslashreplace")

    try:
        if not git("ls-files", "provenance.py"):
            return "", ""
        return git("rev-parse", "HEAD").strip(), git("diff", "HEAD", "--", ".", "../hamiltonians")
    except (OSError, subprocess.SubprocessError):
        return "", ""

"""Two ranks, each bound to a core of its own, and their threads of LAPACK before, while and after one is alone."""

import os
import sys

# What a test before this one, or a launcher, has set.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NQS_BLAS_THREADS"):
    os.environ.pop(name, None)
if sys.argv[1:]:
    os.environ["OMP_NUM_THREADS"] = sys.argv[1]
cores = sorted(os.sched_getaffinity(0))
rank = int(os.environ.get("PMI_RANK") or os.environ["OMPI_COMM_WORLD_RANK"])
os.sched_setaffinity(0, {cores[rank % len(cores)]})

import nqs  # noqa: E402

communicator = nqs.connect()

import scipy.linalg  # noqa: E402, F401
from threadpoolctl import threadpool_info  # noqa: E402


def lapack() -> int:
    return max(library["num_threads"] for library in threadpool_info() if "scipy.libs" in library["filepath"])


counts = [lapack()]
with communicator.alone(10_000):
    counts.append(lapack())
counts.append(lapack())
sys.stdout.write(f"{counts[0]} {counts[1]} {counts[2]}\n")

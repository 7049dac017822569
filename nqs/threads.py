"""Threads: how many a rank computes with, and those of rank 0 on the cores of others while these wait for it."""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from threadpoolctl import ThreadpoolController, threadpool_limits

from nqs.errors import InputError

# Threads of OpenBLAS look for work for 2^16 cycles before they sleep, not a tenth of a second: others want the cores.
TIMEOUT, WATCHFUL = "OPENBLAS_THREAD_TIMEOUT", "16"
# Where the number of threads is kept that was found here: what equals it no user has chosen.
OWN = "NQS_BLAS_THREADS"
# The rows of a matrix that are worth a thread, and the most threads.
ROWS, MOST = 128, 16


@dataclass(frozen=True)
class Place:
    """Where a rank runs: a node, and the cores that it may use there."""

    node: str
    cores: tuple[int, ...]


@dataclass(frozen=True)
class Threads:
    """Of XLA and of dense algebra, and whether there may be more of these."""

    xla: int = 1
    blas: int = 1
    may_grow: bool = False


def this_place() -> Place:
    """That of this process."""
    return Place(os.uname().nodename, _cores())


def limit_threads(sharing: int) -> Threads:
    """One thread of XLA, and a share of the cores that `sharing` ranks may use for dense algebra.

    With a few threads of XLA LAPACK calls inside programs can wait for each other for ever: each splits its batch over
    the threads that all run on. A rank a core uses them better. The environment reaches what is loaded later (XLA reads
    it when it first computes), threadpoolctl the BLAS that is loaded already. A variable that the user has set is left
    alone; OMP_NUM_THREADS is that of OpenBLAS as well. There may be more threads if the user has not said how many, and
    if they soon sleep, which the LAPACK of SciPy hears of only when it is loaded.

    Raises `InputError` for one that is no number of threads.
    """
    own = os.environ.get(OWN)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        if own is not None and os.environ.get(name) == own:
            del os.environ[name]
    asked, share = os.environ.get("OMP_NUM_THREADS", ""), str(max(1, len(_cores()) // sharing))
    is_asked = asked.isdecimal() and asked != "0"
    is_chosen = is_asked or "OPENBLAS_NUM_THREADS" in os.environ
    may_sleep = TIMEOUT in os.environ or "scipy.linalg" not in sys.modules
    share = asked if is_asked else share
    for variable, threads in (("NPROC", "1"), ("OMP_NUM_THREADS", share), ("OPENBLAS_NUM_THREADS", share)):
        chosen = os.environ.setdefault(variable, threads)
        if variable != "OMP_NUM_THREADS" and not (chosen.isdecimal() and int(chosen) > 0):
            raise InputError(f"{variable} = {chosen!r} in the environment: must be a number of threads")
    if not is_chosen:
        os.environ[OWN] = share
    if may_sleep:
        os.environ.setdefault(TIMEOUT, WATCHFUL)
    blas = int(os.environ["OPENBLAS_NUM_THREADS"])
    threadpool_limits(blas)
    return Threads(int(os.environ["NPROC"]), blas, may_sleep and not is_chosen)


def cores_together(places: list[Place], sharing: list[int]) -> tuple[int, tuple[int, ...]]:
    """How many cores, and which, the ranks of a group have on the node of its first one.

    `sharing[i]` ranks, of this group and others, share the cores of place i.
    """
    near = [number for number, place in enumerate(places) if place.node == places[0].node]
    cores = sorted({core for number in near for core in places[number].cores})
    count = sum(len(places[number].cores) / sharing[number] for number in near)
    return min(len(cores), int(count + 1e-9)), tuple(cores)


def worth(n_rows: int, threads: int, most: int) -> int:
    """The threads for a matrix of so many rows: no fewer than `threads`, no more than `most`.

    On 16 cores and more the rows alone decide, and with them the last bits of what is computed.
    """
    return max(threads, min(most, MOST, n_rows // ROWS))


def may_run_on(cores: tuple[int, ...]) -> bool:
    """Whether this thread is let run on all of these cores."""
    with _on(cores):
        return _cores() == cores


@contextlib.contextmanager
def dense_algebra_on(cores: tuple[int, ...], threads: int) -> Iterator[None]:
    """So many threads of dense algebra on these cores."""
    with _on(cores), _libraries().limit(limits=threads, user_api="blas"):
        yield


@contextlib.contextmanager
def _on(cores: tuple[int, ...]) -> Iterator[None]:
    """This thread on these cores, if it is let, and with it the threads that it starts."""
    own = _cores()
    moved = cores != own and _move(cores)
    try:
        yield
    finally:
        if moved:
            _move(own)


def _move(cores: tuple[int, ...]) -> bool:
    """Whether this thread could be put on these cores."""
    try:
        os.sched_setaffinity(0, cores)
    except (OSError, AttributeError):
        return False
    return True


@functools.cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def _cores() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))

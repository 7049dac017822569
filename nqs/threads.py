"""Threads: how many a rank computes with, and those of rank 0 on the cores of others while these wait for it."""

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass

from threadpoolctl import ThreadpoolController, threadpool_limits

from nqs.errors import InputError

# Threads of OpenBLAS look for work for 2^16 cycles before they sleep, not for 2^26: other ranks want the cores.
WATCHFUL = "16"


@dataclass(frozen=True)
class Place:
    """Where a rank runs: a node, and the cores that it may use there."""

    node: str
    cores: tuple[int, ...]


@dataclass(frozen=True)
class Threads:
    """Of XLA and of dense algebra, and whether the user chose the number of these."""

    xla: int = 1
    blas: int = 1
    is_chosen: bool = False


def this_place() -> Place:
    """That of this process."""
    return Place(os.uname().nodename, _cores())


def limit_threads(sharing: int) -> Threads:
    """One thread of XLA, and a share of the cores that `sharing` ranks may use for dense algebra.

    With a few threads of XLA LAPACK calls inside programs can wait for each other for ever: each splits its batch over
    the threads that all run on. A rank a core uses them better. The environment reaches what is loaded later (XLA reads
    it when it first computes), threadpoolctl the BLAS that is loaded already. A variable that the user has set is left
    alone; OMP_NUM_THREADS is that of OpenBLAS as well.

    Raises `InputError` for one that is no number of threads.
    """
    asked, share = os.environ.get("OMP_NUM_THREADS", ""), str(max(1, len(_cores()) // sharing))
    share = asked if asked.isdecimal() and asked != "0" else share
    is_chosen = _is_chosen()
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", WATCHFUL)
    for variable, threads in (("NPROC", "1"), ("OMP_NUM_THREADS", share), ("OPENBLAS_NUM_THREADS", share)):
        chosen = os.environ.setdefault(variable, threads)
        if variable != "OMP_NUM_THREADS" and not (chosen.isdecimal() and int(chosen) > 0):
            raise InputError(f"{variable} = {chosen!r} in the environment: must be a number of threads")
    blas = int(os.environ["OPENBLAS_NUM_THREADS"])
    threadpool_limits(blas)
    return Threads(int(os.environ["NPROC"]), blas, is_chosen)


def cores_together(places: list[Place], sharing: list[int], rank: int = 0) -> tuple[int, tuple[int, ...]]:
    """How many cores, and which, the ranks at these places have on the node of one of them; as many as `sharing` ranks
    share the cores of each.
    """
    near = [number for number, place in enumerate(places) if place.node == places[rank].node]
    cores = sorted({core for number in near for core in places[number].cores})
    count = sum(len(places[number].cores) / sharing[number] for number in near)
    return min(len(cores), int(count + 1e-9)), tuple(cores)


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
    try:
        with contextlib.suppress(OSError):
            _move(cores)
        yield
    finally:
        _move(own)


def _move(cores: tuple[int, ...]) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


@functools.cache
def _is_chosen() -> bool:
    """As the environment was when this was first asked: `limit_threads` writes there itself."""
    return any(os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"))


@functools.cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def _cores() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))

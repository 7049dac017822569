"""Message passing between ranks: the only file that imports mpi4py.

MPI stands between jitted steps, never inside them. Every reduction is one flat float64 array.
"""

import atexit
import contextlib
import os
import pickle
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import numpy as np
from jaxtyping import Float

from nqs.errors import InputError, RunError
from nqs.launcher import end_with_launcher, is_started_by_mpirun, refuse_foreign_launcher
from nqs.threads import Threads, cores_together, dense_algebra_on, limit_threads, may_run_on, this_place, worth

T = TypeVar("T")

# Waiting ranks look for a message without a pause for a while, then more and more seldom.
SPIN_SECONDS = 1e-3
NAP_SECONDS = 5e-5
LONGEST_NAP_SECONDS = 1e-2
# How long a message may be under way from a rank that has left.
LEAVE_SECONDS = 3.0
# What a launcher has not read when it hears of an abort may be lost.
LAST_WORDS_SECONDS = 0.2


class Communicator:
    """The ranks of this run; without MPI, or with one process, a single rank.

    `comm` is an mpi4py communicator or None. `library` names the MPI, "none" without one. `farewells` is where ranks
    that leave say so, if not one of its own. Each rank computes with `threads`; rank 0 has up to `most_alone` in dense
    algebra while the others wait for it.
    """

    def __init__(self, comm: Any = None, library: str = "none", farewells: Any = None):
        self._comm = comm
        self._farewells = comm.Dup() if farewells is None and comm is not None and comm.size > 1 else farewells
        self.library = library
        self.rank: int = 0 if comm is None else comm.rank
        self.size: int = 1 if comm is None else comm.size
        self.threads = Threads()
        self._sharing = 1
        self._all_cores: tuple[int, ...] = ()
        self.most_alone = 1

    @property
    def is_root(self) -> bool:
        return self.rank == 0

    def split(self, ranks: int) -> "Communicator":
        """The group of this rank, of so many consecutive ones each; collective.

        Raises `InputError` if the groups do not come out even.
        """
        if self.size % ranks:
            raise InputError(f"--ranks-per-point {ranks} does not divide the {self.size} ranks")
        if ranks == self.size:
            return self
        comm = self._comm.Split(self.rank // ranks, self.rank)
        group = Communicator(comm, self.library, self._farewells)
        group.share_cores(self.threads, self._sharing)
        return group

    def share_cores(self, threads: Threads, sharing: int) -> None:
        """Compute with these threads on cores that `sharing` ranks, of this group and others, share; collective."""
        self.threads, self._sharing, self.most_alone = threads, sharing, threads.blas
        places = self.gather_objects((this_place(), sharing))
        count, cores = cores_together([place for place, _ in places], [n for _, n in places])
        if self.is_root and threads.may_grow and count > threads.blas and may_run_on(cores):
            self.most_alone, self._all_cores = count, cores

    def alone(self, n_rows: int) -> contextlib.AbstractContextManager[None]:
        """Where rank 0 computes with a matrix of so many rows and the others wait: its dense algebra has the cores of
        all ranks of its node, if it may, and if there are rows enough.
        """
        threads = worth(n_rows, self.threads.blas, self.most_alone)
        if threads == self.threads.blas:
            return contextlib.nullcontext()
        return dense_algebra_on(self._all_cores, threads)

    def share(self, n_chains: int) -> slice:
        """The contiguous share of this rank in `n_chains` chains, divided as evenly as they go."""
        base, extra = divmod(n_chains, self.size)
        start = self.rank * base + min(self.rank, extra)
        return slice(start, start + base + (self.rank < extra))

    def owner(self, chain: int, n_chains: int) -> int:
        """The rank whose share holds a chain."""
        base, extra = divmod(n_chains, self.size)
        larger = extra * (base + 1)
        return chain // (base + 1) if chain < larger else extra + (chain - larger) // base

    def sum(self, values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The sum over ranks, on every rank (one Allreduce)."""
        if self.size == 1:
            return values
        total = np.empty_like(values)
        self._wait(self._comm.Iallreduce(np.ascontiguousarray(values), total))
        return total

    def sum_on_root(self, values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"] | None:
        """The sum over ranks, on rank 0 only (one Reduce)."""
        if self.size == 1:
            return values
        total = np.empty_like(values) if self.is_root else None
        self._wait(self._comm.Ireduce(np.ascontiguousarray(values), total, root=0))
        return total

    def broadcast(self, values: Float[np.ndarray, "*shape"], root: int = 0) -> Float[np.ndarray, "*shape"]:
        """The values of one rank, on every rank; the others give an array of the same shape.

        That rank gets its own array back if it is a contiguous one.
        """
        if self.size == 1:
            return values
        is_root = self.rank == root
        buffer = np.ascontiguousarray(values, np.float64) if is_root else np.empty(np.shape(values))
        self._wait(self._comm.Ibcast(buffer, root=root))
        return buffer

    def broadcast_object(self, value: Any) -> Any:
        """A small Python object of rank 0, on every rank."""
        if self.size == 1:
            return value
        pickled = np.frombuffer(pickle.dumps(value), np.uint8) if self.is_root else np.zeros(0, np.uint8)
        length = int(self.broadcast(np.array([float(len(pickled))]))[0])
        buffer = np.array(pickled) if self.is_root else np.empty(length, np.uint8)
        self._wait(self._comm.Ibcast(buffer, root=0))
        return value if self.is_root else pickle.loads(buffer.tobytes())

    def gather(self, values: np.ndarray, axis: int = 0) -> np.ndarray | None:
        """The arrays of all ranks joined along `axis` in rank order, on rank 0; None elsewhere."""
        if self.size == 1:
            return values
        rows = np.ascontiguousarray(np.moveaxis(values, axis, 0))
        lengths = self._lengths(rows)
        if not self.is_root:
            self._wait(self._comm.Igatherv(rows, None, root=0))
            return None
        joined, counts = _room_for(rows, lengths)
        self._wait(self._comm.Igatherv(rows, [joined, counts], root=0))
        return np.moveaxis(joined, 0, axis)

    def all_gather(self, values: np.ndarray) -> np.ndarray:
        """The arrays of all ranks joined along the first axis in rank order, on every rank."""
        if self.size == 1:
            return values
        rows = np.ascontiguousarray(values)
        joined, counts = _room_for(rows, self._lengths(rows))
        self._wait(self._comm.Iallgatherv(rows, [joined, counts]))
        return joined

    def from_root(self, action: Callable[[], T]) -> T:
        """What an action gives on rank 0, on every rank; an error of it is raised on every rank."""
        outcome = self.broadcast_object(_attempt(action) if self.is_root else None)
        return _outcome(outcome)

    def on_root(self, action: Callable[[], T]) -> T | None:
        """What an action gives on rank 0, None elsewhere; an error of it is raised on every rank."""
        outcome, error = _attempt(action) if self.is_root else (None, None)
        return _outcome((outcome, self.broadcast_object(error)))

    def agreed(self, action: Callable[[], T]) -> T:
        """What an action gives on each rank; the first error of any rank is raised on every rank."""
        outcome, error = _attempt(action)
        errors = self.gather_objects(error)
        return _outcome((outcome, next((e for e in errors if e is not None), None)))

    def gather_objects(self, value: Any) -> list[Any]:
        """A small Python object of every rank, in rank order, on every rank."""
        pickled = np.frombuffer(pickle.dumps(value), np.uint8)
        ends = np.cumsum(self._lengths(pickled))
        return [pickle.loads(part.tobytes()) for part in np.split(self.all_gather(pickled), ends[:-1])]

    def require_finite(self, values: Any, when: str, what: str) -> None:
        """Raise `RunError` on every rank if the values of some are not finite, naming those ranks; collective."""
        good = self.gather_objects(bool(np.isfinite(values).all()))
        bad = ", ".join(str(rank) for rank in range(self.size) if not good[rank])
        if bad:
            raise RunError(f"{when}, rank {bad}: {what} is not finite")

    def barrier(self) -> None:
        """Wait for all ranks."""
        if self.size > 1:
            self._wait(self._comm.Ibarrier())

    def _lengths(self, rows: np.ndarray) -> list[int]:
        """The number of rows of each rank."""
        lengths = np.array([len(rows)] * self.size, np.int64)
        if self.size > 1:
            self._wait(self._comm.Iallgather(lengths[:1].copy(), lengths))
        return lengths.tolist()

    def take_leave(self) -> None:
        """At the end of the program of a rank: tell the others, and wait for them as MPI would."""
        if self._farewells is not None:
            others = [rank for rank in range(self.size) if rank != self.rank]
            sent = [self._farewells.isend(None, rank) for rank in others]
            for rank in others:
                while not self._farewells.iprobe(source=rank):
                    time.sleep(NAP_SECONDS)
                self._farewells.recv(source=rank)
            for request in sent:
                request.wait()

    def _wait(self, request: Any) -> None:
        """Wait for a message without keeping a core busy for long: ranks may share cores, and signals are handled.

        If another rank has left the program and nothing comes for some seconds, the job is ended.
        """
        patience, left_at = time.monotonic() + SPIN_SECONDS, None
        while not request.Test():
            now = time.monotonic()
            if now < patience:
                continue
            time.sleep(min(LONGEST_NAP_SECONDS, max(NAP_SECONDS, (now - patience) / 20)))
            if left_at is None and self._farewells is not None and self._farewells.iprobe():
                left_at = now
            if left_at is not None and now - left_at > LEAVE_SECONDS:
                self.abort(RunError("another rank has left the program, and this one waits for it"))

    def abort(self, error: BaseException) -> NoReturn:
        """Print the traceback of this rank and end every rank at once with exit code 1."""
        lines = "".join(traceback.format_exception(error)).rstrip()
        with contextlib.suppress(OSError, ValueError):  # a log that cannot be written
            sys.stderr.write(f"nqs: rank {self.rank} failed and ends the run\n{lines}\n")
            sys.stderr.flush()
            sys.stdout.flush()
        if self._comm is not None and self.size > 1:
            time.sleep(LAST_WORDS_SECONDS)
            self._comm.Abort(1)
        raise SystemExit(1)


def _room_for(rows: np.ndarray, lengths: list[int]) -> tuple[np.ndarray, list[int]]:
    """An empty array for the rows of all ranks, and how many numbers come from each."""
    joined = np.empty((sum(lengths), *rows.shape[1:]), rows.dtype)
    return joined, [n * (joined.size // max(1, len(joined))) for n in lengths]


def _attempt(action: Callable[[], T]) -> tuple[T | None, Exception | None]:
    try:
        return action(), None
    except (InputError, RunError) as error:
        return None, error


def _outcome(attempt: tuple[Any, Exception | None]) -> Any:
    outcome, error = attempt
    if error is not None:
        raise error
    return outcome


def connect(environment: Mapping[str, str] = os.environ) -> Communicator:
    """All processes of this launch, or one rank where there is no MPI; the cores of a node are shared out.

    A script calls this before it computes anything, so that no rank takes threads for cores of others but where these
    wait for it. From then on an exception that nobody catches on one of several ranks ends them all.

    Raises `InputError` if the launcher says that it started several processes and this MPI sees one: then every
    process would do the whole run and write the same file.
    """
    try:
        with warnings.catch_warnings():
            # What mpi4py suspects of its environment is found out, and said in one line, below.
            warnings.simplefilter("ignore", RuntimeWarning)
            from mpi4py import MPI
    except (ImportError, RuntimeError):
        communicator = Communicator()
    else:
        name = MPI.Get_library_version().split("\n")[0].strip(" \0")
        communicator = Communicator(MPI.COMM_WORLD, " ".join(name.split()))
    if communicator.size == 1:
        refuse_foreign_launcher(communicator.library, environment)
    sharing = communicator.gather_objects(this_place()).count(this_place())
    threads = communicator.agreed(lambda: limit_threads(sharing))
    if communicator.size > 1 or is_started_by_mpirun(environment):
        end_with_launcher()
    if communicator.size > 1:
        atexit.register(communicator.take_leave)
        sys.excepthook = lambda kind, error, trace: communicator.abort(error)
    communicator.share_cores(threads, sharing)
    return communicator

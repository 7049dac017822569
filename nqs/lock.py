"""The lock beside a result, `<result>.lock`: one writer at a time, on any host."""

import contextlib
import errno
import fcntl
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from nqs.errors import InputError
from nqs.files import temporary_name

HEARTBEAT_SECONDS = 15.0
STALE_SECONDS = 120.0
MAX_TRIES = 100
# What a file system without hard links answers.
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True)
class Holder:
    """The process that writes; `started` tells it from a later one of the same number."""

    host: str
    pid: int
    started: str
    job: str
    restart: int

    def was_requeued_as(self, other: "Holder") -> bool:
        """Whether the other is a later start of the same Slurm job, on another host."""
        return self.host != other.host and self.job == other.job != "" and self.restart < other.restart


class Lock:
    """Held from construction to `release`; the time of the lock file is the heartbeat.

    A lock is stale and taken over if its process has died on this host, if its heartbeat stopped on another one, or if
    this is the same Slurm job, requeued.

    Raises `InputError` if another process holds it, `OSError` if the lock file cannot be written.
    """

    def __init__(self, result: Path):
        self.path = lock_file(result)
        self._result = result
        self._me = _this_process()
        self._stream = self._acquire()
        self._released = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def is_held(self) -> bool:
        """Whether the lock file is still this process's own."""
        return not self.is_gone() and _read(self.path) == self._me

    def is_gone(self) -> bool:
        """Whether there is no lock file, or one without a holder."""
        try:
            return _read(self.path) is None
        except FileNotFoundError:
            return True

    def renew(self) -> None:
        """Make a lock file that is gone again.

        Raises `InputError` if another process holds it now, `OSError` if it cannot be written.
        """
        self._stream.close()
        self._stream = self._acquire()

    def release(self) -> None:
        """Give the lock back."""
        self._released.set()
        with contextlib.suppress(OSError):
            if _read(self.path) == self._me:
                self.path.unlink()
        self._stream.close()

    def _acquire(self) -> IO[str]:
        for _ in range(MAX_TRIES):
            if (stream := self._try_to_acquire()) is not None:
                return stream
        raise OSError(errno.EEXIST, f"{self.path.name} can neither be made nor opened")

    def _try_to_acquire(self) -> IO[str] | None:
        """Make a whole lock file under another name, then link it to that of the lock, which fails if there is one."""
        private = temporary_name(self._result, self._me.host)
        stream = os.fdopen(os.open(private, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644), "w+")
        is_mine = False
        try:
            _take_kernel_lock(stream)
            self._sign(stream)
            self._put_in_place(private)
            is_mine = True
        except FileExistsError:
            is_mine = os.fstat(stream.fileno()).st_nlink == 2  # linked by a request whose answer a network lost
            if not is_mine:
                self._remove_stale(os.fstat(stream.fileno()).st_mtime)
        except FileNotFoundError:
            pass  # swept away by the writer that holds the lock
        finally:
            private.unlink(missing_ok=True)
            if not is_mine:
                stream.close()
        return stream if is_mine else None

    def _put_in_place(self, private: Path) -> None:
        """Raises `FileExistsError` if there is a lock file; where there are no hard links, one process after another
        looks and renames.
        """
        try:
            os.link(private, self.path)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            with _only_one(self.path.parent):
                if self.path.exists():
                    raise FileExistsError(str(self.path)) from error
                os.rename(private, self.path)

    def _sign(self, stream: IO[str]) -> None:
        json.dump(asdict(self._me), stream)
        stream.flush()
        os.fsync(stream.fileno())

    def _remove_stale(self, now: float) -> None:
        """Remove the lock file if nobody holds it, else raise the refusal; `now` is by the clock of the file system."""
        with contextlib.suppress(FileNotFoundError), open(self.path) as stream:
            holder = _parse(stream)
            is_requeued = holder is not None and holder.was_requeued_as(self._me)
            if not is_requeued and _is_held(stream, holder, now):
                raise self._refusal(holder)
            with _only_one(self.path.parent):
                if os.stat(self.path).st_ino == os.fstat(stream.fileno()).st_ino:
                    self.path.unlink()

    def _refusal(self, holder: Holder | None) -> InputError:
        who = "another process"
        if holder is not None:
            job = f", Slurm job {holder.job}" if holder.job else ""
            who = f"process {holder.pid} on {holder.host}{job}"
        return InputError(f"{self._result} is being written by {who}: stop it, or give another run.output")

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(OSError, ValueError):
                os.utime(self._stream.fileno())


def lock_file(result: Path) -> Path:
    """Where the lock of a result is."""
    return result.with_name(result.name + ".lock")


def is_being_written(result: Path) -> bool:
    """Whether a process that lives holds the lock of a result, as far as can be told; never in the way of a writer."""
    try:
        with open(lock_file(result)) as stream:
            return _is_held(stream, _parse(stream), time.time())
    except OSError:
        return False


def _is_held(stream: IO[str], holder: Holder | None, now: float) -> bool:
    """A process of this host holds what the kernel says, or if it cannot say, what it signed while it lives; one of
    another host, what it keeps a heartbeat of.
    """
    try:
        fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        is_locked = False
    except BlockingIOError:
        is_locked = True
    except OSError:
        is_locked = None
    if holder is None:
        return bool(is_locked)
    if holder.host == platform.node():
        return _start_of(holder.pid) == holder.started if is_locked is None else is_locked
    return now - os.fstat(stream.fileno()).st_mtime < STALE_SECONDS


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """One process at a time, where the file system of the folder has locks."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _take_kernel_lock(stream: IO[str]) -> None:
    """Lock a file that no other process knows yet; a file system without locks leaves it to process and heartbeat."""
    with contextlib.suppress(OSError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _this_process() -> Holder:
    restart = os.environ.get("SLURM_RESTART_COUNT", "0")
    return Holder(
        platform.node(),
        os.getpid(),
        _start_of(os.getpid()),
        os.environ.get("SLURM_JOB_ID", ""),
        int(restart) if restart.isdigit() else 0,
    )


def _start_of(pid: int) -> str:
    """When a process of this host started, in the kernel's ticks; "running" where that is unknown, "" if it is gone."""
    try:
        state, *numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else numbers[18]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return ""
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "running"


def _read(path: Path) -> Holder | None:
    with open(path) as stream:
        return _parse(stream)


def _parse(stream) -> Holder | None:
    stream.seek(0)
    try:
        return Holder(**json.load(stream))
    except (ValueError, TypeError):
        return None

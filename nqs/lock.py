"""The lock beside a result, `<result>.lock`: one writer at a time, on any host."""

import contextlib
import fcntl
import json
import os
import platform
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from nqs.errors import InputError

HEARTBEAT_SECONDS = 15.0
STALE_SECONDS = 120.0


@dataclass(frozen=True)
class Holder:
    """The process that writes; `started` tells it from a later one of the same number."""

    host: str
    pid: int
    started: str
    job: str
    restart: int


class Lock:
    """Held from construction to `release`; the time of the lock file is the heartbeat.

    A lock is stale and taken over if its process has died on this host, if its heartbeat stopped on another one, or if
    this is the same Slurm job, requeued.

    Raises `InputError` if another process holds it, `OSError` if the lock file cannot be written.
    """

    def __init__(self, result: Path):
        self.path = result.with_name(result.name + ".lock")
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

    def _acquire(self):
        while True:
            stream = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644), "r+")
            try:
                is_free = self._try_take(stream)
            except BaseException:
                stream.close()
                raise
            if is_free:
                return stream
            stream.close()

    def _try_take(self, stream) -> bool:
        """Take the lock file that `stream` has open; False if it was removed meanwhile."""
        has_kernel_lock = True
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._refusal(_parse(stream)) from None
        except OSError:
            has_kernel_lock = False  # a file system without locks: process and heartbeat decide
        try:
            if os.stat(self.path).st_ino != os.fstat(stream.fileno()).st_ino:
                return False
        except FileNotFoundError:
            return False
        holder = _parse(stream)
        if holder is not None and holder != self._me and self._is_alive(holder, stream, has_kernel_lock):
            raise self._refusal(holder)
        stream.seek(0)
        stream.truncate()
        json.dump(asdict(self._me), stream)
        stream.flush()
        os.fsync(stream.fileno())
        return True

    def _is_alive(self, holder: Holder, stream, has_kernel_lock: bool) -> bool:
        if holder.host == self._me.host:
            return not has_kernel_lock and _start_of(holder.pid) == holder.started
        if holder.job and holder.job == self._me.job and self._me.restart > holder.restart:
            return False
        return self._age(stream) < STALE_SECONDS

    def _age(self, stream) -> float:
        """Seconds since the last heartbeat, by the clock of the file system."""
        probe = self.path.with_name(f"{self.path.name}.{self._me.pid}")
        probe.touch()
        try:
            return probe.stat().st_mtime - os.fstat(stream.fileno()).st_mtime
        finally:
            probe.unlink()

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

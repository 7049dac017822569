"""The only writer of a result file."""

from dataclasses import replace
from pathlib import Path
from types import TracebackType

from nqs import results
from nqs.errors import InputError, RunError
from nqs.files import NotFlushed, remove_left_over
from nqs.lock import Lock, is_being_written
from nqs.results import Result


def exists(path: Path) -> bool:
    """Whether there is a file; raises `InputError` where that cannot be told."""
    try:
        return path.exists()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be looked at: {getattr(error, 'strerror', None) or error}") from error


def read(path: Path) -> Result:
    """The result in a file; its status is "died" if it was running and no process writes it any more.

    Raises `InputError` as `nqs.results.read`.
    """
    result = results.read(path)
    if result.status != "running" or is_being_written(_target(path)):
        return result
    result = results.read(path)  # it may have ended since it was read
    return replace(result, status="died") if result.status == "running" else result


def _target(path: Path) -> Path:
    """The file that a link leads to: that one is locked and replaced."""
    try:
        return path.resolve() if path.is_symlink() else path
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: cannot be followed: {error}") from error


class Writer:
    """The right to write the result at `path`: makes its folder and holds its lock, as a context manager.

    Raises `InputError` if the file cannot be written there or another process is writing it.
    """

    def __init__(self, path: Path):
        self.stop_file = path.with_name(path.name + ".stop")
        self.path = path = _target(path)
        if exists(path) and not path.is_file():
            raise InputError(f"{path}: not a file")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
        self._last = _identity(path)
        remove_left_over(path)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lock.release()

    def existing(self) -> Result | None:
        """The result that is in the file, if there is a file.

        Raises `InputError` if that is not a result.
        """
        return results.read(self.path) if self.path.exists() else None

    def set_aside(self) -> None:
        """Give a result that exists another name, `NAME.1.h5`.

        Raises `InputError` if the file is not a result or cannot be renamed.
        """
        if self.existing() is None:
            return
        names = (self.path.with_suffix(f".{number}{self.path.suffix}") for number in range(1, 10**6))
        try:
            self.path.rename(next(name for name in names if not name.exists()))
        except OSError as error:
            raise InputError(f"{self.path}: cannot be renamed: {error.strerror}") from error
        self._last = _identity(self.path)

    def write(self, result: Result) -> None:
        """Put a result in the place of the file, in a folder that is made again if it is gone.

        Raises `NotFlushed` with the new file in place, other `OSError` with the old one intact, `RunError` if another
        process has taken the lock over.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._confirm()
        try:
            results.write(self.path, result, self._confirm)
        except NotFlushed:
            self._last = _identity(self.path)
            raise
        self._last = _identity(self.path)

    def _confirm(self) -> None:
        """Make a lock that was removed again, unless another process has written meanwhile."""
        if self._lock.is_gone() and _identity(self.path) in (None, self._last):
            try:
                self._lock.renew()
            except InputError as error:
                raise RunError(str(error)) from error
        if not self._lock.is_held():
            raise RunError(f"{self.path}: another process has taken over the lock; this one writes no more")


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from the one that replaces it."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns

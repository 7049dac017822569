"""`--log-dir`: a file for each rank, with the time of every message."""

import logging
import os
import platform
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from nqs.errors import InputError, RunError

logger = logging.getLogger("nqs")


class RankLog(AbstractContextManager["RankLog"]):
    """Appends the messages of this rank, its progress and what ends it to `FOLDER/rank-N.log`.

    In a job array that is `task-M-rank-N.log`: tasks run side by side.

    Raises `InputError` if that cannot be written.
    """

    def __init__(self, folder: Path, rank: int, size: int):
        task = os.environ.get("SLURM_ARRAY_TASK_ID")
        path = folder / f"{f'task-{task}-' if task else ''}rank-{rank}.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handler = logging.FileHandler(path, encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"--log-dir: {path}: cannot be written: {reason}") from error
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(self._handler)
        logger.setLevel(logging.INFO)
        job = os.environ.get("SLURM_JOB_ID")
        where = f"{platform.node()}, process {os.getpid()}" + (f", Slurm job {job}" if job else "")
        self._record(logging.INFO, f"{' '.join(sys.argv)}: rank {rank} of {size} on {where}")

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._record(logging.ERROR, str(error) or type(error).__name__, error)
        logger.removeHandler(self._handler)
        self._handler.close()

    def _record(self, level: int, text: str, error: BaseException | None = None) -> None:
        """A line in the file only."""
        information = None
        if error is not None and not isinstance(error, InputError | RunError):
            information = (type(error), error, error.__traceback__)
        self._handler.handle(logging.LogRecord(logger.name, level, __file__, 0, text, None, information))

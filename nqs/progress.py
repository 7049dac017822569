"""What a person sees while a run goes on: a bar on a terminal, a line every 30 seconds elsewhere."""

import contextlib
import logging
import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from nqs.text import with_error

LOG_SECONDS = 30.0
logger = logging.getLogger("nqs")


class ProgressReport:
    """Reports the steps of a run from `start` to `steps`; silent unless `is_shown`."""

    def __init__(self, start: int, steps: int, is_shown: bool):
        self._steps = steps
        self._is_shown = is_shown
        self._console = Console(file=sys.stderr)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._last_line = self._began = time.monotonic()
        self._start = start
        self._handler = _LogHandler(self)

    def __enter__(self) -> "ProgressReport":
        if self._is_shown and self._console.is_terminal:
            self._bar = Progress(
                TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
                BarColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task("", total=self._steps, completed=self._start)
            self._bar.start()
        logger.addHandler(self._handler)
        logger.setLevel(logging.INFO)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        logger.removeHandler(self._handler)
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.stop()

    def log(self, text: str) -> None:
        """A line of its own, above the bar where there is one; lost if the terminal or the log is gone."""
        with contextlib.suppress(OSError):
            if self._bar is not None:
                self._bar.console.print(text, highlight=False, markup=False)
            elif self._is_shown:
                print(text, file=sys.stderr, flush=True)

    def step(self, row: dict[str, float]) -> None:
        """A step is done; `row` is its row of the history."""
        if not self._is_shown:
            return
        done = int(row["step"]) + 1
        text = f"E = {with_error(row['energy'], row['energy_error'])}  acceptance {row['acceptance']:.2f}"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=text)
        elif time.monotonic() - self._last_line >= LOG_SECONDS:
            self._last_line = time.monotonic()
            left = (self._last_line - self._began) / (done - self._start) * (self._steps - done)
            self.log(f"step {done}/{self._steps}  {text}  {left:.0f} s left")


class _LogHandler(logging.Handler):
    def __init__(self, progress: ProgressReport):
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message of the package."""
        self._progress.log(f"nqs: {record.getMessage()}")

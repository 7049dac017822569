"""What a person sees while a run goes on: a bar on a terminal, a line every 30 seconds elsewhere."""

import contextlib
import logging
import sys
import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from nqs.text import with_error

LOG_SECONDS = 30.0
logger = logging.getLogger("nqs")
steps_logger = logging.getLogger("nqs.steps")


class ProgressReport:
    """Reports the steps of a run from `start` to `steps`; ranks above 0 are silent unless they warn.

    Without steps it shows the messages of the package alone. `label` names one of several runs. Lines of a log also go
    to the logger of the package.
    """

    def __init__(self, start: int = 0, steps: int = 0, *, rank: int, label: str = ""):
        self._steps = steps
        self._rank = rank
        self.label = f"{label}: " if label else ""
        self._console = Console(file=sys.stderr)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._last_line = self._began = time.monotonic()
        self._start = start
        self._handler = _LogHandler(self)

    def __enter__(self) -> "ProgressReport":
        if self._rank == 0 and self._console.is_terminal and self._steps > self._start:
            self._bar = Progress(
                TextColumn(escape(self.label) + "step {task.completed:.0f}/{task.total:.0f}"),
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

    def show(self, record: logging.LogRecord) -> None:
        """A message on a line of its own, above the bar where there is one; lost if the terminal or the log is gone."""
        text = record.getMessage()
        if self._rank > 0:
            if record.levelno < logging.WARNING:
                return
            text = f"rank {self._rank}: {text}"
        if record.name != steps_logger.name:
            text = f"nqs: {self.label}{text}"
        with contextlib.suppress(OSError):
            if self._bar is not None:
                self._bar.console.print(text, highlight=False, markup=False)
            else:
                print(text, file=sys.stderr, flush=True)

    def step(self, row: dict[str, float]) -> None:
        """A step is done; `row` is its row of the history."""
        done = int(row["step"]) + 1
        text = f"E = {with_error(row['energy'], row['energy_error'])}  acceptance {row['acceptance']:.2f}"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=text)
        elif time.monotonic() - self._last_line >= LOG_SECONDS:
            self._last_line = time.monotonic()
            left = (self._last_line - self._began) / (done - self._start) * (self._steps - done)
            steps_logger.info("%sstep %d/%d  %s  %.0f s left", self.label, done, self._steps, text, left)


class _LogHandler(logging.Handler):
    def __init__(self, progress: ProgressReport):
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message of the package."""
        self._progress.show(record)

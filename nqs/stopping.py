"""When a run should stop before its end, and when it should write a snapshot.

Each rank watches for itself; the wishes of all ranks are added up in the reduction of a step, so that all act on
the same step.
"""

import contextlib
import logging
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from jaxtyping import Float

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
LOOK_SECONDS = 0.5
# A stop file that is older when a run begins was meant for another one, which did not live to remove it.
STALE_SECONDS = 600.0
logger = logging.getLogger("nqs")


class Signals:
    """Notes SIGTERM, SIGUSR1 and the first SIGINT, as a context manager; `reason` says what came."""

    def __init__(self):
        self.reason = ""
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.reason:
            raise KeyboardInterrupt
        self.reason = f"received {signal.Signals(number).name}"


class Watch:
    """Signals, a stop file, `max_seconds` and the snapshot interval.

    The file and the clocks count on the root only.
    """

    def __init__(
        self,
        signals: Signals,
        stop_file: Path | None,
        snapshot_seconds: float,
        max_seconds: float | None,
        is_root: bool,
    ):
        self._signals = signals
        self._stop_file = stop_file
        self._snapshot_seconds = snapshot_seconds if is_root and stop_file is not None else float("inf")
        self._end = time.monotonic() + max_seconds if is_root and max_seconds is not None else float("inf")
        self._last_snapshot = self._last_look = time.monotonic()
        self._remove_stop_file(before=time.time() - STALE_SECONDS)
        self._reason = ""

    def wishes(self) -> Float[np.ndarray, " 2"]:
        """(stop, snapshot), each 0 or 1."""
        now = time.monotonic()
        if now >= self._end and not self._reason:
            self._reason = "its time is over (max_seconds, or the end of the Slurm job)"
        if self._stop_file is not None and now - self._last_look > LOOK_SECONDS:
            self._last_look = now
            with contextlib.suppress(OSError):
                if self._stop_file.exists():
                    self._reason = f"{self._stop_file.name} exists"
        due = now - self._last_snapshot >= self._snapshot_seconds
        return np.array([float(bool(self._reason or self._signals.reason)), float(due)])

    def snapshot_done(self) -> None:
        """Start the snapshot interval anew."""
        self._last_snapshot = time.monotonic()

    def ended(self, is_early: bool, where: str = "") -> None:
        """Log why the run ended early, if it did, and remove the stop file, so that the next launch goes on."""
        if is_early:
            reason = self._reason or self._signals.reason or "another rank received a signal"
            logger.info("stopping%s: %s", where, reason)
        self._remove_stop_file(before=float("inf"))

    def _remove_stop_file(self, before: float) -> None:
        if self._stop_file is not None:
            with contextlib.suppress(OSError):
                if self._stop_file.stat().st_mtime < before:
                    self._stop_file.unlink()

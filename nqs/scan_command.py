"""`nqs scan`: from a scan file to a result for each point, on all ranks or on groups of them."""

import itertools
import logging
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nqs.command import STOPPED, on_all_ranks
from nqs.errors import InputError, RunError
from nqs.launch import carry_out
from nqs.output import may_fail_to_print
from nqs.parallel import Communicator
from nqs.results import Result
from nqs.scan_file import Point, Scan, point_name
from nqs.scan_state import read_scan, state_of, write_manifest
from nqs.stopping import Signals
from nqs.text import with_error

logger = logging.getLogger("nqs")


@dataclass(frozen=True)
class Options:
    """What was asked for: groups of so many ranks, one `task`, points that changed begun anew; None: all."""

    ranks_per_point: int | None
    task: int | None
    is_fresh: bool


@dataclass
class Tally:
    """What came of the points of a group: how many are done, and what went wrong with others, by their numbers."""

    n_done: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    is_stopped: bool = False


def scan(path: Path, overrides: dict[str, str], options: Options, log_dir: Path | None = None) -> int:
    """The exit code of a scan: 0 all points are done, 1 some have failed, 75 stopped, to be continued."""
    began = time.monotonic()

    def command(communicator: Communicator, signals: Signals) -> int:
        found = communicator.from_root(lambda: read_scan(path, overrides))
        communicator.on_root(lambda: write_manifest(found))
        group = communicator.split(options.ranks_per_point or communicator.size)
        n_points, tasks = communicator.from_root(lambda: _pending(found, options.task))
        runner = _Runner(group, signals, found, options.is_fresh, began)
        mine = tasks[communicator.rank // group.size :: communicator.size // group.size]
        tally = runner.run_all(itertools.chain(*mine))
        tallies = communicator.gather_objects(tally if group.is_root else Tally())
        n_done = n_points - sum(map(len, tasks)) + sum(one.n_done for one in tallies)
        failures = {number: reason for one in tallies for number, reason in one.failures.items()}
        is_stopped = any(one.is_stopped for one in tallies)
        if communicator.is_root:
            note = ": stopped before the end; the same command continues it" if is_stopped else ""
            with may_fail_to_print():
                print(f"{found.folder}: {n_done} of {n_points} points done{note}", flush=True)
            for number in sorted(failures):
                print(f"nqs: {failures[number]}", file=sys.stderr, flush=True)
        return STOPPED if is_stopped else 1 if failures else 0

    return on_all_ranks(command, log_dir)


def list_points(path: Path, overrides: dict[str, str]) -> None:
    """Print the tasks and points of a scan file."""
    for point in read_scan(path, overrides).points:
        print(f"task {point.task:>4}  {point.name}" + (f"  ({point.error})" if point.error else ""))


def _pending(found: Scan, task: int | None) -> tuple[int, list[list[int]]]:
    """How many points are asked for, and the numbers of those that are not done, by task."""
    tasks = found.tasks
    if task is not None:
        if not 0 <= task < len(tasks):
            raise InputError(f"--task {task}: {found.name} has the tasks 0 to {len(tasks) - 1}")
        tasks = [tasks[task]]
    pending = [[point.number for point in points if state_of(point).progress != "done"] for points in tasks]
    return sum(map(len, tasks)), [numbers for numbers in pending if numbers]


@dataclass
class _Runner:
    """Runs points one after the other on a group of ranks."""

    group: Communicator
    signals: Signals
    scan: Scan
    is_fresh: bool
    began: float

    def run_all(self, numbers: itertools.chain[int]) -> Tally:
        """Run the points of these numbers until a stop is asked for; what goes wrong with one does not stop the others.

        An error that nobody foresaw ends all ranks if the others of the group would wait for this one.
        """
        tally = Tally()
        for point in (self.scan.points[number] for number in numbers):
            if self.group.sum(np.array([float(bool(self.signals.reason))]))[0] > 0:
                tally.is_stopped = True
                break
            name = point_name(self.scan.name, point.path)
            try:
                result = self._run(point, name)
            except (InputError, RunError) as error:
                self._note(tally, point, f"{name}: {str(error).removeprefix(f'{name}: ')}")
                continue
            except Exception as error:
                if self.group.size > 1:
                    raise
                traceback.print_exc()
                self._note(tally, point, f"{name}: {type(error).__name__}: {error}")
                continue
            if result.status != "complete":
                tally.is_stopped = True
                break
            tally.n_done += 1
        return tally

    def _note(self, tally: Tally, point: Point, failure: str) -> None:
        tally.failures[point.number] = failure
        if self.group.is_root:
            logger.warning(failure)

    def _run(self, point: Point, name: str) -> Result:
        started = time.monotonic()
        state = self.group.from_root(lambda: state_of(point))
        if point.config is None or state.progress == "broken":
            raise InputError(state.note)
        if state.progress == "done" and state.result is not None:
            return state.result
        is_changed = state.progress == "changed"
        if is_changed and not self.is_fresh:
            raise InputError(
                f"{point.path} exists with another configuration ({state.note}): "
                "--fresh starts it over and keeps the old file"
            )
        if point.before is not None:
            before = self.scan.points[point.before]
            progress = self.group.from_root(lambda: state_of(before).progress)
            if progress != "done":
                raise InputError(f"begins with the parameters of {before.name}, which is not done but {progress}")
        result = carry_out(
            point.config,
            self.group,
            self.signals,
            state.own,
            None,
            name,
            is_fresh=is_changed,
            began=self.began,
            label=point.name,
        )
        if self.group.is_root:
            with may_fail_to_print():
                self._print(point, result, time.monotonic() - started)
        return result

    def _print(self, point: Point, result: Result, seconds: float) -> None:
        where = f"[{point.number + 1}/{len(self.scan.points)}] {point.name}"
        if result.status == "complete":
            energy = with_error(result.measured["energy"], result.measured["energy_error"])
            print(f"{where}: E = {energy}, {seconds:.1f} s")
        else:
            print(f"{where}: stopped after {result.n_steps} steps")

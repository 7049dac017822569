"""`nqs status`: what is done, running, interrupted, failed and missing, as the files say now."""

import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nqs import run_file
from nqs.errors import InputError
from nqs.result_files import is_run_file, is_scan
from nqs.results import Result
from nqs.scan_state import State, read_scan, state_of, state_of_result, state_of_run
from nqs.schema import Config
from nqs.text import duration, with_error
from nqs.writer import read

# Steps that the pace of a run is taken from.
LAST_STEPS = 20


def status(paths: list[Path]) -> int:
    """Print the state of results and of the points of scans; the exit code, 2 if something cannot be read."""
    refusals = []
    for path in paths:
        try:
            _print(path, _states(path))
        except InputError as error:
            refusals.append(f"nqs: {error}\n")
    sys.stdout.flush()
    sys.stderr.writelines(refusals)
    return 2 if refusals else 0


def _states(path: Path) -> list[tuple[Path, Config | None, State]]:
    if is_scan(path):
        return [(point.path, point.config, state_of(point)) for point in read_scan(path, {}).points]
    if is_run_file(path):
        config = run_file.read(path, {})
        file = Path(config.run.output or "")
        return [(file, config, state_of_run(config, file))]
    result = read(path)
    config = run_file.parse_text(result.config, str(path)) if result.config else None
    return [(path, config, state_of_result(result, config))]


def _print(path: Path, states: list[tuple[Path, Config | None, State]]) -> None:
    table = Table("result", "state", "steps", "E", "note")
    for file, config, state in states:
        table.add_row(file.stem, state.progress, *_columns(file, config, state))
    counts = Counter(state.progress for _, _, state in states)
    console = Console(width=None if sys.stdout.isatty() else 200, soft_wrap=True, markup=False, emoji=False)
    console.print(table)
    if len(states) > 1:
        listed = ", ".join(f"{number} {progress}" for progress, number in counts.items())
        print(f"{path}: {len(states)} points: {listed}")


def _columns(path: Path, config: Config | None, state: State) -> tuple[str, str, str]:
    """Steps, energy and note."""
    result = state.result
    if result is None:
        return "-", "-", state.note
    steps = f"{result.n_steps}/{config.run.steps}" if config is not None else str(result.n_steps)
    note = state.note
    if state.progress == "running" and not note and config is not None:
        seconds = seconds_left(result, config, path.stat().st_mtime)
        if seconds is not None:
            end = datetime.fromtimestamp(time.time() + seconds).strftime("%d %b %H:%M")
            note = f"ends about {end}, in {duration(seconds)}"
    return steps, _energy(result), note


def _energy(result: Result) -> str:
    if result.measured:
        return with_error(result.measured["energy"], result.measured["energy_error"])
    if result.n_steps == 0:
        return "-"
    return with_error(result.history["energy"][-1], result.history["energy_error"][-1]) + " (last step)"


def seconds_left(result: Result, config: Config, written: float) -> float | None:
    """Seconds from now to the end of a run whose snapshot was `written` then, at the pace of its last steps.

    A step of the sampler in the measurement counts as a step. None before there is a pace.
    """
    times = result.history["wall_time"][-LAST_STEPS:]
    if len(times) < 2:
        return None
    pace = (times[-1] - times[0]) / (len(times) - 1)
    steps = config.run.steps - result.n_steps + -(-config.measure.n_samples // config.sampler.n_samples)
    return max(0.0, float(pace * steps) - (time.time() - written))

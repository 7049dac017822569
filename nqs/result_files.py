"""The results that a person names: files, scan files, and folders of scans."""

from collections.abc import Iterable
from pathlib import Path

from nqs import run_file
from nqs.errors import InputError
from nqs.results import Result
from nqs.scan_state import State, read_scan, state_of
from nqs.source import is_hdf5
from nqs.writer import read


def is_scan(path: Path) -> bool:
    """Whether a path is a scan file or the folder of a scan, and not a result or a run file.

    Raises `InputError` if it cannot be read.
    """
    return path.is_dir() or (is_run_file(path) and "scan" in run_file.tables(path))


def result_file(path: Path) -> Path:
    """The result itself, or the one that a run file writes.

    Raises `InputError` for a run file that is wrong.
    """
    return Path(run_file.read(path, {}).run.output or "") if is_run_file(path) else path


def is_run_file(path: Path) -> bool:
    """Whether a path is that of a run file or scan file by its name, and not a result."""
    return path.suffix == ".toml" and not is_hdf5(path)


def left_out(states: Iterable[State]) -> str:
    """What is to be said of a scan where results of another configuration are left out."""
    n_changed = sum(state.progress == "changed" for state in states)
    return f"; {n_changed} changed, left out: nqs status says what" if n_changed else ""


def results_of(paths: list[Path]) -> tuple[list[tuple[Path, Result]], list[str], list[str]]:
    """The results in files and scans, with their paths; which of them have another configuration than their point; and
    why others cannot be read.
    """
    found, changes, refusals = [], [], []
    for path in paths:
        try:
            if is_scan(path):
                states = [(point.path, state_of(point)) for point in read_scan(path, {}).points]
                found += [(file, state.result) for file, state in states if state.result is not None]
                changes += [f"{file.stem}: changed ({s.note})" for file, s in states if s.progress == "changed"]
                refusals += [state.note for _, state in states if state.progress == "broken"]
            else:
                found.append((path, read(result_file(path))))
        except InputError as error:
            refusals.append(str(error))
    return found, changes, refusals

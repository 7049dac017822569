"""How far the points of a scan are: what their files say, and the manifest in their folder."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tomli_w
from msgspec.structs import replace

from nqs import files, run_file, scan_file
from nqs.errors import InputError
from nqs.lock import is_being_written
from nqs.results import FAILED, Result
from nqs.scan_file import Point, Scan
from nqs.schema import Config
from nqs.source import changes_since
from nqs.writer import exists, read

MANIFEST = "manifest.toml"

# "changed": the file has another configuration; "broken": it is no whole result; "wrong": the values make no run.
Progress = Literal["done", "running", "interrupted", "failed", "missing", "changed", "broken", "wrong"]


@dataclass(frozen=True)
class State:
    """How far a run is, the result that there is, and what is to be said about it."""

    progress: Progress
    result: Result | None = None
    note: str = ""

    @property
    def own(self) -> Result | None:
        """The result, unless it is of another configuration."""
        return None if self.progress == "changed" else self.result


def state_of(point: Point) -> State:
    """The state of a point by its file."""
    return State("wrong", note=point.error) if point.config is None else state_of_run(point.config, point.path)


def state_of_run(config: Config, path: Path) -> State:
    """The state of a run of this configuration by the file of its result."""
    try:
        if not exists(path):
            return State("running", note="starting") if is_being_written(path) else State("missing")
        result = read(path)
    except InputError as error:
        return State("broken", note=str(error))
    try:
        changes = changes_since(result, _as_there(config, result, str(path)), str(path))
    except InputError as error:
        return State("changed", result, str(error))
    if changes:
        return State("changed", result, "; ".join(changes))
    state = state_of_result(result, config)
    is_starting = state.progress in ("interrupted", "failed") and is_being_written(path)
    return State("running", result, "starting") if is_starting else state


def _as_there(config: Config, result: Result, name: str) -> Config:
    """The configuration of a point with `init_from` as in its result, if that is the same neighbour: its folder depends
    on where the command was given.
    """
    ours, theirs = config.run.init_from, run_file.parse_text(result.config, name).run.init_from
    if ours is None or theirs is None or Path(ours).name != Path(theirs).name:
        return config
    return replace(config, run=replace(config.run, init_from=theirs))


def state_of_result(result: Result, config: Config | None) -> State:
    """The state of a result of this configuration."""
    if result.status == "failed":
        reasons = [warning["message"] for warning in result.warnings if warning["kind"] == FAILED]
        return State("failed", result, "; ".join(reasons))
    if result.status == "running":
        return State("running", result)
    if result.status != "complete":
        return State("interrupted", result, "its process died" if result.status == "died" else "")
    if config is not None and result.n_steps < config.run.steps:
        return State("interrupted", result, f"run.steps is {config.run.steps} now")
    return State("done", result)


def write_manifest(scan: Scan) -> None:
    """Put the list of points, with the scan file, into the folder of a scan, in one step; a job leaves the one that
    there was when it was submitted, or later.

    Raises `InputError` if it cannot be written.
    """
    path = scan.folder / MANIFEST
    if _is_copy(Path(scan.name), scan.folder) and exists(path):
        return
    content: dict[str, Any] = {
        "file": str(Path(scan.name).resolve()),
        "points": [_entry(point) for point in scan.points],
        "scan_file": scan.content,
    }
    try:
        scan.folder.mkdir(parents=True, exist_ok=True)
        files.write_text(path, tomli_w.dumps(content))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _is_copy(path: Path, folder: Path) -> bool:
    """Whether a scan file is the copy that `nqs submit` makes for a job: classes are beside the one it was made of."""
    return re.fullmatch(rf"{re.escape(folder.name)}\.[0-9a-f]{{8}}\.toml", path.name) is not None


def _entry(point: Point) -> dict[str, Any]:
    entry = {"number": point.number, "task": point.task, "file": point.path.name, "values": point.values}
    if point.config is None:
        return {**entry, "error": point.error}
    return {**entry, "config_hash": run_file.config_hash(point.config)}


def read_scan(path: Path, overrides: dict[str, str]) -> Scan:
    """The scan in a scan file, or in the manifest of its folder.

    Raises `InputError`.
    """
    if not path.is_dir():
        return scan_file.read(path, overrides)
    path = path if path.name not in ("", "..") else path.resolve()
    manifest = path / MANIFEST
    if not exists(manifest):
        raise InputError(f"{path}: a folder without the {MANIFEST} of a scan")
    content = run_file.tables(manifest)
    if not isinstance(content.get("scan_file"), dict):
        raise InputError(f"{manifest}: not the manifest of a scan")
    table = content["scan_file"].get("scan")
    if isinstance(table, dict):
        table["folder"] = str(path)
    return scan_file.parse(content["scan_file"], str(content.get("file", manifest)), overrides)

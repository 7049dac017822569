"""From a run file with a [scan] table to its points, each with a checked configuration; no JAX."""

import copy
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import fields

from nqs import run_file
from nqs.errors import InputError
from nqs.scan_grid import Dimension, Place, dimensions_of, line_of, places_of, values_at, warm_dimension
from nqs.scan_values import as_text, keys_in
from nqs.schema import Config
from nqs.schema_errors import listed, suggestion
from nqs.schema_table import Table

TABLES = tuple(field.name for field in fields(Config))


class ScanTable(Table, frozen=True, kw_only=True):
    """What is scanned, as TABLE.KEY = a list of values or a range, and how."""

    folder: Annotated[str | None, Meta(description="of the results; results/<name of the scan file>")] = None
    zip: Annotated[
        tuple[Annotated[tuple[str, ...], Meta(min_length=2)], ...],
        Meta(description="lists of keys that change together; all others are crossed"),
    ] = ()
    where: Annotated[
        str | None, Meta(description="which points are kept, as hamiltonian.transverse_field < 1 or run.seed == 0")
    ] = None
    warm_start: Annotated[
        str | bool,
        Meta(description="key along which a point begins with the parameters of the one before; true for the only key"),
    ] = False


@dataclass(frozen=True)
class Point:
    """One run of a scan: its number, where it is along each dimension, and its values by key.

    `config` is None and `error` says why where the values make no run. `before` is the number of the point whose
    parameters it begins with. Points of one `task` follow each other.
    """

    number: int
    place: Place
    values: dict[str, Any]
    path: Path
    config: Config | None
    error: str
    task: int
    before: int | None

    @property
    def name(self) -> str:
        """Its values in words."""
        return self.path.stem


@dataclass(frozen=True)
class Scan:
    """All points of a scan file; `content` are its tables, with the overrides put over them."""

    name: str
    content: dict[str, Any]
    folder: Path
    dimensions: tuple[Dimension, ...]
    points: tuple[Point, ...]

    @property
    def tasks(self) -> list[list[Point]]:
        """The points that follow each other, in order; each alone without a warm start."""
        found: dict[int, list[Point]] = {}
        for point in self.points:
            found.setdefault(point.task, []).append(point)
        return list(found.values())

    @property
    def keys(self) -> tuple[str, ...]:
        """What is scanned."""
        return tuple(key for dimension in self.dimensions for key in dimension.keys)


def read(path: Path, overrides: dict[str, str]) -> Scan:
    """The scan in a file, with `overrides` (key path to text) put over it.

    Raises `InputError` naming the file and the key if the [scan] table is wrong, or the first point if none is right.
    """
    return parse(run_file.tables(path), str(path), overrides)


def parse(content: dict[str, Any], name: str, overrides: dict[str, str] | None = None) -> Scan:
    """The scan in the tables of the file called `name`, with `overrides` put over them.

    Raises `InputError` as `read`.
    """
    overrides = overrides or {}
    content = run_file.overridden(content, overrides)
    if not isinstance(content.get("scan"), dict):
        raise InputError(f"{name}: [scan]: missing, so this is no scan; nqs run takes it")
    table, given = _split(content["scan"], name)
    for key in given:
        if key in overrides:
            raise InputError(f"{name}: --{key}: is scanned; --scan.{key} gives it other values")
    base = {key: value for key, value in content.items() if key != "scan"}
    if "output" in (base.get("run") or {}) or "run.output" in given:
        raise InputError(f"{name}: [run] output: the results of a scan go into [scan] folder, named by their values")
    try:
        dimensions = dimensions_of(given, table.zip)
        warm = warm_dimension(table.warm_start, dimensions)
        places = places_of(dimensions, table.where, warm)
    except ValueError as error:
        raise InputError(f"{name}: [scan] {error}") from error
    folder = Path(table.folder or f"results/{Path(name).stem}")
    points = _points(base, name, folder, dimensions, places, warm)
    if all(point.config is None for point in points):
        raise InputError(points[0].error)
    return Scan(name, content, folder, dimensions, points)


def _split(scan: dict[str, Any], name: str) -> tuple[ScanTable, dict[str, Any]]:
    """The keys of a scan itself, and what is given for those of the run file."""
    own = [field.name for field in fields(ScanTable)]
    for key in scan:
        if key not in (*own, *TABLES):
            raise InputError(
                f"{name}: [scan] {key}: no such key or table{suggestion(key, [*own, *TABLES])}; "
                f"allowed: {listed(own)}, and the tables of a run file"
            )
    try:
        table = msgspec.convert({key: value for key, value in scan.items() if key in own}, ScanTable)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at ")
        raise InputError(f"{name}: [scan] {place.strip('`$.') or '?'}: {text.replace('`', '')}") from error
    given = {}
    for key, value in keys_in({key: value for key, value in scan.items() if key in TABLES}):
        if "." not in key or not isinstance(value, list | dict):
            raise InputError(
                f"{name}: [scan] {key}: needs a list of values, or a range such as "
                "{start = 0.5, stop = 1.5, number = 11}"
            )
        given[key] = value
    if not given:
        raise InputError(f"{name}: [scan]: nothing to scan, as hamiltonian.transverse_field = [0.5, 1.0]")
    return table, given


def _points(
    base: dict[str, Any],
    name: str,
    folder: Path,
    dimensions: tuple[Dimension, ...],
    places: list[Place],
    warm: int | None,
) -> tuple[Point, ...]:
    points: list[Point] = []
    lines: dict[Place, tuple[int, int | None]] = {}
    for number, place in enumerate(places):
        line = line_of(place, warm)
        task, before = lines.get(line, (len(lines), None))
        lines[line] = (task, number)
        path = folder / f"{_words(dimensions, place)}.h5"
        files = {"run.output": str(path)} | ({} if before is None else {"run.init_from": str(points[before].path)})
        values = values_at(dimensions, place)
        config, error = None, ""
        try:
            config = run_file.parse(run_file.put(copy.deepcopy(base), values | files), point_name(name, path))
        except InputError as refusal:
            error = str(refusal)
        points.append(Point(number, place, values, path, config, error, task, before))
    if len({point.name for point in points}) < len(points):
        raise InputError(f"{name}: [scan]: two points have the same name: their values differ too little")
    return tuple(points)


def _words(dimensions: tuple[Dimension, ...], place: Place) -> str:
    """The values of a point as its name."""
    labels = short_keys([key for dimension in dimensions for key in dimension.keys])
    return ",".join(
        f"{labels[key]}={as_text(value, i)}"
        for dimension, i in zip(dimensions, place, strict=True)
        for key, value in zip(dimension.keys, dimension.values[i], strict=True)
    )


def point_name(name: str, path: Path) -> str:
    """How messages call the point with this file of the scan called `name`."""
    return f"{name}, point {path.stem}"


def short_keys(keys: list[str], taken: Collection[str] = ()) -> dict[str, str]:
    """The last word of each key, or the whole key where two have the same or the word is `taken`."""
    last = [key.rpartition(".")[2] for key in keys]
    return {
        key: word if last.count(word) == 1 and word not in taken else key for key, word in zip(keys, last, strict=True)
    }

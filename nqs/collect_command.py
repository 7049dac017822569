"""`nqs collect`: a whole scan in one HDF5 file, an xarray Dataset whose dimensions are the scanned keys."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from nqs import files
from nqs.errors import InputError
from nqs.files import Dataset, Group
from nqs.result_files import left_out
from nqs.results import HISTORY, MEASURED, Observable, Result, labels
from nqs.scan_file import Scan, short_keys
from nqs.scan_grid import Place
from nqs.scan_state import State, read_scan, state_of
from nqs.scan_values import as_number, as_text

STEP, STATUS = "step", "status"
DISPLACEMENTS = ("dx", "dy", "dz")


def collect(path: Path, output: Path | None) -> int:
    """Write the dataset of a scan; the exit code.

    Raises `InputError` if there is no result yet or it cannot be written.
    """
    scan = read_scan(path, {})
    target = output or scan.folder.with_name(f"{scan.folder.name}.h5")
    states = {point.place: state_of(point) for point in scan.points}
    n_results = sum(state.own is not None for state in states.values())
    if n_results == 0:
        raise InputError(f"{scan.folder}: no point has a result yet{left_out(states.values())}")
    try:
        files.write(target, dataset(scan, states))
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from error
    by = ", ".join(scan.keys)
    print(f"{target}: {n_results} results of {len(scan.points)} points, by {by}{left_out(states.values())}")
    if unlike := _unlike([state.own for state in states.values() if state.own is not None]):
        print(f"left out where their axes are not those of the largest point: {', '.join(unlike)}")
    return 0


@dataclass(frozen=True)
class Grid:
    """The dimensions of a scan with their sizes."""

    sizes: dict[str, int]

    def dataset(
        self, values: dict[Place, Any], described: dict[str, str], inner: dict[str, int] | None = None
    ) -> Dataset:
        """Numbers at places, each an array along the `inner` axes; NaN elsewhere, and where an array is shorter."""
        sizes = self.sizes | (inner or {})
        filled = np.full(tuple(sizes.values()), np.nan)
        for place, value in values.items():
            corner = tuple(slice(length) for length in np.shape(value))
            filled[place + corner] = value
        return Dataset(filled, described, tuple(sizes))


def dataset(scan: Scan, states: dict[Place, State]) -> Group:
    """The states, the measured numbers, the observables and the histories of the results on the grid of a scan.

    A dimension has the name of its first key (the whole key where something measured has its last word); keys that
    change with it are coordinates along it. A result of another configuration is left out, and an observable whose
    axes are not those of the largest point, but for displacements, which are the first ones of a larger system.
    """
    found = {place: state.own for place, state in states.items() if state.own is not None}
    unit = next(iter(found.values())).energy_unit
    observables = dict.fromkeys(name for result in found.values() for name in result.observables)
    names = short_keys(list(scan.keys), {STATUS, STEP, *MEASURED, *observables})
    grid = Grid({names[dimension.keys[0]]: len(dimension.values) for dimension in scan.dimensions})
    items: dict[str, Group | Dataset] = {}
    for axis, dimension in zip(grid.sizes, scan.dimensions, strict=True):
        for key, values in zip(dimension.keys, zip(*dimension.values, strict=True), strict=True):
            items[names[key]] = Dataset(_coordinate(values), {"long_name": key}, (axis,))
    words = np.full(tuple(grid.sizes.values()), "", dtype="U16")
    for place, state in states.items():
        words[place] = state.progress
    items[STATUS] = Dataset(words, {"long_name": "state of the point"}, tuple(grid.sizes))
    for name, described in MEASURED.items():
        values = {place: result.measured.get(name, np.nan) for place, result in found.items()}
        items[name] = grid.dataset(values, labels(*described, unit))
    n_steps = max(result.n_steps for result in found.values())
    items[STEP] = Dataset(np.arange(float(n_steps)), labels(*HISTORY[STEP], unit), (STEP,))
    for name, described in HISTORY.items():
        if name != STEP:
            values = {place: result.history[name] for place, result in found.items()}
            items[f"history_{name}"] = grid.dataset(values, labels(*described, unit), {STEP: n_steps})
    for name in observables:
        items |= _observable(name, grid, {p: r.observables[name] for p, r in found.items() if name in r.observables})
    return Group(items, {"schema": "nqs-scan/1", "scan_file": tomli_w.dumps(scan.content)})


def _observable(name: str, grid: Grid, found: dict[Place, Observable]) -> dict[str, Group | Dataset]:
    """An observable, its error, and its axes, which have the name of the observable before them: lengths may differ
    between observables.
    """
    first = _largest(found.values())
    axes = {f"{name}_{axis}": values for axis, values in first.axes.items()}
    sizes = {axis: len(values) for axis, values in axes.items()}
    alike = {place: one for place, one in found.items() if _begins_with(first, one)}
    described = {"units": first.units, "long_name": first.long_name}
    error = {**described, "long_name": f"statistical error (one standard deviation) of: {first.long_name}"}
    items: dict[str, Group | Dataset] = {
        axis: Dataset(np.asarray(values, dtype=np.float64), first.axis_labels(plain), (axis,))
        for plain, (axis, values) in zip(first.axes, axes.items(), strict=True)
    }
    items[name] = grid.dataset({place: one.mean for place, one in alike.items()}, described, sizes)
    items[f"{name}_error"] = grid.dataset({place: one.error for place, one in alike.items()}, error, sizes)
    return items


def _unlike(found: list[Result]) -> list[str]:
    """The observables that are left out of some results, and of how many."""
    said = []
    for name in dict.fromkeys(name for result in found for name in result.observables):
        ones = [result.observables[name] for result in found if name in result.observables]
        n_unlike = sum(not _begins_with(_largest(ones), one) for one in ones)
        said += [f"{name} ({n_unlike} of {len(ones)} results)"] if n_unlike else []
    return said


def _largest(found: Iterable[Observable]) -> Observable:
    return max(found, key=lambda one: np.size(one.mean))


def _begins_with(one: Observable, other: Observable) -> bool:
    """Whether the axes of the other are those of this one, displacements as far as they go."""
    return one.axes.keys() == other.axes.keys() and all(
        np.array_equal(values, one.axes[axis][: len(values)] if axis in DISPLACEMENTS else one.axes[axis])
        for axis, values in other.axes.items()
    )


def _coordinate(values: tuple[Any, ...]) -> np.ndarray:
    """Numbers as numbers, anything else as it is written in the names of points."""
    numbers = [as_number(value) for value in values]
    if None not in numbers:
        return np.array(numbers)
    return np.array([as_text(value, place) for place, value in enumerate(values)])

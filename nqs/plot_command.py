"""`nqs plot`: which picture of which results."""

import math
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nqs import plot as pictures
from nqs import run_file
from nqs.errors import InputError
from nqs.extrapolation import to_zero_variance
from nqs.plot import Series
from nqs.result_files import is_scan, left_out, result_file, results_of
from nqs.results import ENERGY, MEASURED, Result
from nqs.scan_average import average, counted, groups, quantity
from nqs.scan_file import Point, Scan
from nqs.scan_state import read_scan, state_of
from nqs.scan_values import as_number, as_text
from nqs.schema import Custom
from nqs.text import with_error
from nqs.writer import read

# Of an exact curve.
N_POINTS = 101


def plot(
    paths: list[Path],
    output: Path | None,
    name: str | None,
    against: str | None,
    averaged: str | None,
    *,
    is_extrapolated: bool,
) -> int:
    """Write a picture: the history of a result, an observable of it along its axes, a quantity of a scan against a key,
    also averaged over another, or energies against variances; the exit code.

    Raises `InputError` if there is nothing to draw or it cannot be written.
    """
    first = paths[0] if is_scan(paths[0]) else result_file(paths[0])
    picture = output or (first / "plot.png" if first.is_dir() else first.with_suffix(".png"))
    try:
        if averaged is not None and (is_extrapolated or not is_scan(first)):
            raise InputError("nqs plot --average: of a quantity of a scan alone")
        if is_extrapolated:
            said = _extrapolation(paths, picture)
        elif len(paths) > 1:
            raise InputError(f"nqs plot: takes one result or scan, not {len(paths)}, except with --extrapolate")
        elif is_scan(first):
            said = _scan(read_scan(first, {}), name or ENERGY, against, averaged, picture)
        elif name is None:
            said = _history(first, picture)
        else:
            said = _observable(first, name, picture)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{picture}: cannot be written: {error}") from error
    print(f"{picture}: {said}")
    return 0


def _history(path: Path, picture: Path) -> str:
    result = read(path)
    if result.n_steps == 0:
        raise InputError(f"{path}: no step is recorded yet")
    pictures.plot_history(result, f"{path.stem} ({result.status})", picture)
    return result.status


def _observable(path: Path, name: str, picture: Path) -> str:
    result = read(path)
    one = result.observables.get(name)
    if one is None or not one.axes:
        names = [name for name, one in result.observables.items() if one.axes]
        raise InputError(f"{path}: no observable {name!r} with an axis; there are: {', '.join(names) or 'none'}")
    axes = list(one.axes.items())
    if len(axes) > 2:
        raise InputError(f"{path}: {name} has {len(axes)} axes ({', '.join(one.axes)}), and a picture at most two")
    x_name, *others = (_with_unit(axis, one.axis_labels(axis)["units"]) for axis, _ in axes)
    x, value_name = axes[0][1], _with_unit(name, one.units)
    mean, error = np.asarray(one.mean), np.asarray(one.error)
    if len(axes) == 2:
        pictures.plot_map(mean, x, axes[1][1], (x_name, others[0], value_name), picture)
    else:
        pictures.plot_series([Series("", x, mean, error)], [], x_name, value_name, picture)
    return one.long_name


def _with_unit(name: str, unit: str) -> str:
    return name if unit in ("", "1") else f"{name} ({unit})"


def _scan(scan: Scan, name: str, against: str | None, averaged: str | None, picture: Path) -> str:
    free = [d.keys[0] for d in scan.dimensions if len(d.values) > 1 and averaged not in d.keys]
    key = against or next(iter(free), scan.keys[0])
    if key not in scan.keys:
        raise InputError(f"--against {key}: not scanned; scanned: {', '.join(scan.keys)}")
    if averaged is not None:
        return _averages(scan, name, key, averaged, picture)
    lines: dict[str, list[tuple[Point, Result]]] = {}
    states = [state_of(point) for point in scan.points]
    for point, result in zip(scan.points, (state.own for state in states), strict=True):
        if result is not None and result.measured:
            lines.setdefault(_label(scan, point, key), []).append((point, result))
    if not lines:
        raise InputError(f"{scan.folder}: no point is measured yet{left_out(states)}")
    series = []
    for label, found in lines.items():
        values = np.array([quantity(result, name) for _, result in found])
        x = np.array([_x(scan, point, key) for point, _ in found])
        exact = np.array([result.measured["reference"] for _, result in found]) if name == ENERGY else None
        series.append(Series(label or "measured", x, values[:, 0], values[:, 1], exact))
    all_x = np.concatenate([one.x for one in series])
    first_points = [found[0][0] for found in lines.values()]
    curves = list(_exact_curves(scan, first_points, key, all_x)) if name == ENERGY else []
    y_label = _y_label(name, next(iter(lines.values()))[0][1])
    pictures.plot_series(series, curves, key, y_label, picture)
    return f"{name} of {sum(map(len, lines.values()))} of {len(scan.points)} points against {key}{left_out(states)}"


def _averages(scan: Scan, name: str, key: str, averaged: str, picture: Path) -> str:
    states = [state_of(point) for point in scan.points]
    found = groups(scan, states, averaged)
    together = next(dimension.keys for dimension in scan.dimensions if key in dimension.keys)
    if averaged in together:
        raise InputError(f"--average {averaged}: no other key to draw against; nqs report --average prints a table")
    lines: dict[str, list[tuple[float | str, tuple[float, float]]]] = {}
    for group in found:
        label = ", ".join(f"{other} = {value}" for other, value in group.others.items() if other not in together)
        x = _x(scan, group.points[0][0], key)
        lines.setdefault(label, []).append((x, average(group, averaged, name)))
    series = []
    for label, points in lines.items():
        values = np.array([value for _, value in points])
        series.append(Series(label or "average", np.array([x for x, _ in points]), values[:, 0], values[:, 1]))
    pictures.plot_series(series, [], key, _y_label(name, found[0].points[0][1]), picture)
    return f"{name} against {key}, averages over {averaged} of {counted(scan, found, states)}"


def _y_label(name: str, result: Result) -> str:
    return f"{name} ({result.energy_unit})" if MEASURED.get(name, ("",))[0] == ENERGY else name


def _label(scan: Scan, point: Point, key: str) -> str:
    """The other keys of a point, where there are several values of them."""
    others = [
        f"{other} = {as_text(point.values[other], i)}"
        for dimension, i in zip(scan.dimensions, point.place, strict=True)
        for other in dimension.keys
        if key not in dimension.keys and len(dimension.values) > 1
    ]
    return ", ".join(others)


def _x(scan: Scan, point: Point, key: str) -> float | str:
    """The value of a key, as text if it is no number."""
    value = point.values[key]
    places = zip(scan.dimensions, point.place, strict=True)
    number = as_number(value)
    return number if number is not None else as_text(value, next(i for d, i in places if key in d.keys))


def _exact_curves(scan: Scan, points: list[Point], key: str, x: np.ndarray) -> Iterator[Series]:
    """The closed forms of the energy between the first and the last x, where there are some and the key is a number of
    the Hamiltonian, the only one that changes along x; each once.
    """
    from nqs.build import build_only_hamiltonian
    from nqs.jax_start import start_jax

    together = next(dimension.keys for dimension in scan.dimensions if key in dimension.keys)
    if [one for one in together if one.startswith("hamiltonian.")] != [key] or x.dtype.kind not in "if":
        return
    start_jax()
    grid, seen = np.linspace(x.min(), x.max(), N_POINTS) if x.dtype.kind == "f" else np.unique(x), []
    configs = [point.config for point in points if point.config is not None]
    for config in (one for one in configs if getattr(one.ansatz, "sector", None) is None):
        content, energies = tomllib.loads(run_file.to_toml(config)), []
        is_custom = isinstance(config.hamiltonian, Custom)
        place = key.replace("hamiltonian.", "hamiltonian.arguments.") if is_custom else key
        for value in grid.tolist():
            try:
                given = [value] if isinstance(points[0].values[key], list) else value
                changed = run_file.parse(run_file.put(content, {place: given}), scan.name)
                if not energies and changed.hamiltonian in seen:
                    break
                energy = build_only_hamiltonian(changed, scan.name).reference_energy()
            except InputError:  # a value between two that are possible, or a class that is not to be found from here
                energies.append(None)
                continue
            if not energies:
                seen.append(changed.hamiltonian)
            energies.append(energy)
        if any(energy is not None for energy in energies):
            yield Series("exact", grid, np.array(energies, dtype=np.float64), np.zeros(len(grid)))


def _are_same(instances: list[dict[str, np.ndarray]]) -> bool:
    """Whether all instances of disorder have the same numbers."""
    return all(
        one.keys() == instances[0].keys()
        and all(np.array_equal(values, instances[0][name]) for name, values in one.items())
        for one in instances
    )


def _extrapolation(paths: list[Path], picture: Path) -> str:
    found, changes, refusals = results_of(paths)
    if refusals or changes:
        raise InputError((refusals + changes)[0])
    tables = [run_file.parse_text(one.config, str(path)).hamiltonian for path, one in found if one.config]
    if any(table != tables[0] for table in tables) or not _are_same([one.instance for _, one in found]):
        raise InputError("nqs plot --extrapolate: several Hamiltonians have no common energy; name the results of one")
    measured = [result.measured for _, result in found if result.measured]
    variances, energies, errors, references = (
        np.array([one[name] for one in measured]) for name in ("variance", "energy", "energy_error", "reference")
    )
    try:
        line = to_zero_variance(variances, energies, errors)
    except ValueError as error:
        raise InputError(f"nqs plot: {error}") from error
    exact = references[0] if np.ptp(references) == 0 else math.nan
    series = Series(f"{len(measured)} results", variances, energies, errors)
    pictures.plot_extrapolation(series, line, exact, found[0][1].energy_unit, picture)
    return f"E = {with_error(line.energy, line.energy_error)} at variance 0, chi^2 {line.chi_square:.2g} per freedom"

"""Averages over the points of a scan along one key: of disorder over its instances, of a gas over its twists."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nqs.errors import InputError
from nqs.plot import RELATIVE_ERROR
from nqs.result_files import left_out
from nqs.results import MEASURED, Result
from nqs.scan_file import Point, Scan
from nqs.scan_grid import Dimension
from nqs.scan_state import State
from nqs.scan_values import as_text

# Keys whose values are drawn at random: the average over them has the error of a random sample.
DRAWN = ("instance", "seed", "couplings")


@dataclass(frozen=True)
class Group:
    """The measured points that differ in the averaged key alone, and the values of the other keys as text."""

    others: dict[str, str]
    points: tuple[tuple[Point, Result], ...]


def _averaged_dimension(scan: Scan, key: str) -> Dimension:
    """The dimension that a key to average over belongs to.

    Raises `InputError` if it is not scanned.
    """
    for dimension in scan.dimensions:
        if key in dimension.keys:
            return dimension
    raise InputError(f"--average {key}: not scanned; scanned: {', '.join(scan.keys)}")


def groups(scan: Scan, states: Sequence[State], key: str) -> list[Group]:
    """The measured points of a scan, whose states are given, by the values of all keys but this one and those that
    change with it.

    Raises `InputError` if the key is not scanned, or no point is measured.
    """
    averaged = _averaged_dimension(scan, key)
    found: dict[tuple[int, ...], Group] = {}
    for point, state in zip(scan.points, states, strict=True):
        result = state.own
        if result is None or not result.measured:
            continue
        kept = [(d, i) for d, i in zip(scan.dimensions, point.place, strict=True) if d is not averaged]
        others = {one: as_text(point.values[one], i) for d, i in kept for one in d.keys if len(d.values) > 1}
        place = tuple(i for _, i in kept)
        before = found[place].points if place in found else ()
        found[place] = Group(others, (*before, (point, result)))
    if not found:
        raise InputError(f"{scan.folder}: no point is measured yet")
    return list(found.values())


def counted(scan: Scan, found: list[Group], states: Sequence[State]) -> str:
    """How many points of the scan are in the averages."""
    return f"{sum(len(group.points) for group in found)} of {len(scan.points)} points{left_out(states)}"


def average(group: Group, key: str, name: str) -> tuple[float, float]:
    """The mean of a quantity over a group with its error.

    Of a key whose values are drawn at random the error is σ/√n with the standard deviation σ of the n points, which
    holds their own errors; NaN for a single point. Of any other it is √(Σ error²)/n, that of a sum over fixed points.

    Raises `InputError` if there is no such number in every result.
    """
    values, errors = np.array([quantity(result, name) for _, result in group.points]).T
    return float(np.mean(values)), _error(values, errors, is_drawn=_is_drawn(key))


def error_is(key: str) -> str:
    """Which error an average over a key has, in words."""
    return "with the error of a random sample" if _is_drawn(key) else "with the errors of the points"


def _is_drawn(key: str) -> bool:
    return key.split(".")[-1] in DRAWN


def _error(values: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"], *, is_drawn: bool) -> float:
    n = len(values)
    if not is_drawn:
        return float(np.sqrt(np.sum(errors**2)) / n)
    return float(np.std(values, ddof=1) / n**0.5) if n > 1 else math.nan


def quantity(result: Result, name: str) -> tuple[float, float]:
    """A measured number or a scalar observable of a result with its error, NaN where it has none.

    Raises `InputError` if there is no such number.
    """
    if name in result.measured and name in MEASURED:
        return result.measured[name], result.measured.get(f"{name}_error", math.nan)
    if name == RELATIVE_ERROR and result.measured["reference"]:
        energy, error, reference = (result.measured[one] for one in ("energy", "energy_error", "reference"))
        return (energy - reference) / abs(reference), error / abs(reference)
    one = result.observables.get(name)
    if one is None or one.axes:
        names = [*MEASURED, RELATIVE_ERROR, *(name for name, one in result.observables.items() if not one.axes)]
        raise InputError(f"--quantity {name}: no such number in every result; there are: {', '.join(names)}")
    return float(one.mean), float(one.error)

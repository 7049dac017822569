"""The points of a scan as places in a grid of the scanned keys."""

import itertools
import math
from dataclasses import dataclass
from typing import Any

from nqs.scan_filter import is_kept
from nqs.scan_values import values_of
from nqs.schema_errors import listed

MAX_POINTS = 100_000
Place = tuple[int, ...]


@dataclass(frozen=True)
class Dimension:
    """Keys that change together, and their values at each place."""

    keys: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]


def dimensions_of(given: dict[str, Any], zipped: tuple[tuple[str, ...], ...]) -> tuple[Dimension, ...]:
    """The dimensions of the grid, in the order of the keys that are given, those of `zipped` keys together.

    Raises `ValueError` naming the key.
    """
    values = {}
    for key, value in given.items():
        try:
            values[key] = values_of(value)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from error
    together = {}
    for keys in zipped:
        for key in keys:
            if key not in values or key in together:
                raise ValueError(f"zip: {key} is {'there twice' if key in together else 'not scanned'}")
            together[key] = keys
        counts = [len(values[key]) for key in keys]
        if len(set(counts)) > 1:
            raise ValueError(f"zip: {listed(keys)} have {listed(map(str, counts))} values, not as many each")
    groups = dict.fromkeys(together.get(key, (key,)) for key in values)
    return tuple(_dimension(keys, list(zip(*(values[key] for key in keys), strict=True))) for keys in groups)


def _dimension(keys: tuple[str, ...], values: list[tuple[Any, ...]]) -> Dimension:
    seen = set()
    for value in map(repr, values):
        if value in seen:
            raise ValueError(f"{listed(keys)}: {value.strip('(),')} is there twice")
        seen.add(value)
    return Dimension(keys, tuple(values))


def warm_dimension(warm_start: str | bool, dimensions: tuple[Dimension, ...]) -> int | None:
    """The number of the dimension along which points begin with each other's parameters.

    Raises `ValueError` if it is not clear which.
    """
    if warm_start is False:
        return None
    if warm_start is True:
        if len(dimensions) > 1:
            raise ValueError(f"warm_start: along which key? {listed(key for d in dimensions for key in d.keys)}")
        return 0
    found = [number for number, dimension in enumerate(dimensions) if warm_start in dimension.keys]
    if not found:
        raise ValueError(f"warm_start: {warm_start} is not scanned")
    return found[0]


def places_of(dimensions: tuple[Dimension, ...], where: str | None, warm: int | None) -> list[Place]:
    """The points that are kept, the last dimension fastest, or that of the warm start.

    Raises `ValueError` if they are too many or none, or if `where` is wrong.
    """
    sizes = [len(dimension.values) for dimension in dimensions]
    if math.prod(sizes) > MAX_POINTS:
        raise ValueError(f"{math.prod(sizes)} points are more than {MAX_POINTS}")
    places = list(itertools.product(*map(range, sizes)))
    if where is not None:
        try:
            places = [place for place in places if is_kept(where, values_at(dimensions, place))]
        except ValueError as error:
            raise ValueError(f"where: {error}") from error
    if not places:
        raise ValueError("where: no point is left")
    return sorted(places, key=lambda place: (line_of(place, warm), place))


def values_at(dimensions: tuple[Dimension, ...], place: Place) -> dict[str, Any]:
    """The value of each key at a place."""
    return {
        key: value
        for dimension, i in zip(dimensions, place, strict=True)
        for key, value in zip(dimension.keys, dimension.values[i], strict=True)
    }


def line_of(place: Place, warm: int | None) -> Place:
    """What the points have in common that begin with each other's parameters."""
    return place if warm is None else (*place[:warm], *place[warm + 1 :])

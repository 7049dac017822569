"""What a [scan] table says of a key: its values, and how they are written."""

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from nqs.schema_table import Table

MAX_VALUES = 100_000
# Digits of the values of a range; 0.1 + 0.2 is 0.3.
DIGITS = 12
LONGEST_TEXT = 40
PLAIN = re.compile(r"[A-Za-z0-9_.+-]+")


class Range(Table, frozen=True, kw_only=True):
    """Numbers from `start` to `stop`, both included: so many of them, or at these steps."""

    start: float | int
    stop: float | int
    number: Annotated[int, Meta(ge=2, le=MAX_VALUES)] | None = None
    step: float | int | None = None
    scale: Literal["linear", "log"] = "linear"

    def values(self) -> tuple[float | int, ...]:
        """The numbers; whole ones where start, stop and the steps are.

        Raises `ValueError` saying what is wrong.
        """
        if (self.number is None) == (self.step is None):
            raise ValueError("a range needs either number or step")
        if self.scale == "log":
            found = self._logarithmic()
        elif self.step is None:
            n = (self.number or 0) - 1
            found = [_sum(self.start, (self.stop - self.start) * i, n) for i in range(n + 1)]
        else:
            found = self._stepped(self.step)
        found = [value if isinstance(value, int) else _rounded(value) for value in found]
        is_whole = isinstance(self.start, int) and all(float(value).is_integer() for value in found)
        return tuple(int(value) for value in found) if is_whole else tuple(found)

    def _stepped(self, step: float | int) -> list[float | int]:
        if step == 0 or (self.stop - self.start) / step < 0:
            raise ValueError(f"no number of steps of {step:g} leads from {self.start:g} to {self.stop:g}")
        count = math.floor((self.stop - self.start) / step + 1e-9) + 1
        if count > MAX_VALUES:
            raise ValueError(f"{count} values are more than {MAX_VALUES}")
        return [self.start + step * i for i in range(count)]

    def _logarithmic(self) -> list[float]:
        if self.number is None or self.start <= 0 or self.stop <= 0:
            raise ValueError("a logarithmic range needs a number of values between two that are positive")
        first, last, n = math.log(self.start), math.log(self.stop), self.number - 1
        return [math.exp(first + (last - first) * i / n) for i in range(n + 1)]


def values_of(given: Any) -> tuple[Any, ...]:
    """The values in a list or in a range.

    Raises `ValueError` saying what is wrong.
    """
    try:
        values = msgspec.convert(given, Range).values() if isinstance(given, dict) else tuple(given)
    except msgspec.ValidationError as error:
        raise ValueError(str(error).replace("`", "")) from error
    if not values:
        raise ValueError("an empty list")
    return values


def keys_in(tables: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Each key with what is given for it, from tables in tables; a table with a `start` or a `stop` is a range."""
    for name, given in tables.items():
        full = f"{path}.{name}" if path else name
        if isinstance(given, dict) and not {"start", "stop"} & given.keys():
            yield from keys_in(given, full)
        else:
            yield full, given


def as_text(value: Any, place: int) -> str:
    """A value in the name of a point: a number or a word itself, [4, 6] as 4x6, anything else as its place."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value + 0.0:.{DIGITS}g}"  # no sign of zero
    if isinstance(value, list):
        text = "x".join(as_text(part, place) for part in value)
    else:
        text = value.replace(":", ".") if isinstance(value, str) else ""
    return text if PLAIN.fullmatch(text) and len(text) <= LONGEST_TEXT else f"item{place}"


def as_number(value: Any) -> float | int | None:
    """A number, alone or as the only one of a list (the length of a chain); None for anything else."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _sum(start: float | int, part: float | int, n: int) -> float | int:
    """start + part/n, whole where whole numbers give that."""
    is_whole = isinstance(start, int) and isinstance(part, int) and part % n == 0
    return start + part // n if is_whole else start + part / n


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")

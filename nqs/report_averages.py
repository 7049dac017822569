"""The table of averages over one key of a scan."""

from typing import Any

from rich.console import Console
from rich.table import Table

from nqs.report import scalars
from nqs.results import ENERGY
from nqs.scan_average import Group, average, error_is
from nqs.text import with_error


def averages_table(found: list[Group], key: str) -> dict[str, list[Any]]:
    """Columns by name, a row for each group: the other keys, how many points it has, and the means of the energy and of
    the observables that are one number in all of them, with their errors.
    """
    names = _names(found)
    rows = []
    for group in found:
        numbers = {name: average(group, key, name) for name in names}
        means = {name: mean for name, (mean, _) in numbers.items()}
        errors = {f"{name}_error": error for name, (_, error) in numbers.items()}
        rows.append({**group.others, "points": len(group.points), **means, **errors})
    return {name: [row[name] for row in rows] for name in rows[0]}


def print_averages(found: list[Group], key: str) -> None:
    """Print the table, each mean with its error."""
    names = _names(found)
    table = Table(*found[0].others, "points", *names, title=f"averages over {key}, {error_is(key)}")
    for group in found:
        means = (with_error(*average(group, key, name)) for name in names)
        table.add_row(*group.others.values(), str(len(group.points)), *means)
    Console(width=max(100, 30 * len(names)), soft_wrap=True, markup=False, emoji=False).print(table)


def _names(found: list[Group]) -> list[str]:
    results = [result for group in found for _, result in group.points]
    first = scalars(results[0].observables)
    return [ENERGY, *(name for name in first if all(name in scalars(one.observables) for one in results))]

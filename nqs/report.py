"""The table of results that a physicist wants."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from nqs.results import Observable, Result
from nqs.text import duration, plain, with_error

COLUMNS = (
    "result",
    "status",
    "steps",
    "E",
    "exact",
    "rel. error",
    "variance",
    "V-score",
    "R-hat",
    "R-hat ord.",
    "tau",
    "ESS",
    "acc.",
    "time",
)


def row(path: Path, result: Result) -> tuple[str, ...]:
    """One result as a line: the measured energy, or that of the last step before there is one."""
    measured = result.measured
    identity = (path.stem, result.status, str(result.n_steps))
    if not measured:
        return (*identity, *_last_step(result))
    reference = measured["reference"]
    distance = (measured["energy"] - reference) / abs(reference) if reference else np.nan
    relative = with_error_scientific(distance, measured["energy_error"] / abs(reference)) if reference else "-"
    return (
        *identity,
        with_error(measured["energy"], measured["energy_error"]),
        plain(reference, 10),
        relative if np.isfinite(distance) else "-",
        *(_with_known_error(measured[name], measured[f"{name}_error"]) for name in ("variance", "v_score")),
        _rhat(measured["rhat"]),
        _rhat(measured["rhat_order"]),
        plain(measured["tau"]),
        plain(measured["ess"]),
        plain(measured["acceptance"], 2),
        _time(result),
    )


def replicas(result: Result) -> Iterator[tuple[str, str]]:
    """What the replicas of a tempered measurement did: swaps of each pair, from β = 1 on, and round trips."""
    if "swap_acceptance" in result.measured:
        yield "swap acc.", " ".join(f"{value:.2f}" for value in result.measured["swap_acceptance"])
        yield "replicas", f"{result.measured['round_trips']:.0f} round trips"


def snapshots(result: Result) -> Iterator[tuple[str, str]]:
    """The time that snapshots took, of that of the steps."""
    seconds = sum(launch.get("snapshot_seconds", 0.0) for launch in result.provenance)
    if seconds and result.n_steps:
        yield "snapshots", f"{seconds:.2g} s, {seconds / result.history['wall_time'][-1]:.1%} of the steps"


def _last_step(result: Result) -> tuple[str, ...]:
    if result.n_steps == 0:
        return ("-",) * 11
    last = {name: values[-1] for name, values in result.history.items()}
    energy = with_error(last["energy"], last["energy_error"]) + " (last step)"
    numbers = (plain(last["variance"]), plain(last["v_score"]), plain(last["rhat"], 4), "-", plain(last["tau"]))
    return (energy, "-", "-", *numbers, "-", plain(last["acceptance"], 2), _time(result))


def _time(result: Result) -> str:
    """Of the steps."""
    return duration(float(result.history["wall_time"][-1])) if result.n_steps else "-"


def _with_known_error(value: float, error: float) -> str:
    return with_error(value, error) if np.isfinite(value) and error > 0 else plain(value)


def _rhat(value: float) -> str:
    """Infinite where chains never move."""
    return "inf" if value == np.inf else plain(value, 4)


def with_error_scientific(value: float, error: float) -> str:
    """A small number with its error and one common exponent: "(3.11 ± 0.27)e-4"."""
    if not np.isfinite(value) or not np.isfinite(error):
        return "-"
    exponent = int(np.floor(np.log10(max(abs(value), error)))) if value or error else 0
    return f"({with_error(value / 10.0**exponent, error / 10.0**exponent)})e{exponent}"


def print_report(named: list[tuple[Path, Result]]) -> None:
    """Print the table of any number of results, a block a result where there is one."""
    rows = [row(path, result) for path, result in named]
    console = Console(width=None if len(rows) == 1 else 200, soft_wrap=True, markup=False, emoji=False)
    if len(rows) == 1:
        for name, value in zip(COLUMNS, rows[0], strict=True):
            console.print(f"{name:<11}{value}", highlight=False)
        for line in scalar_lines(named[0][1].observables):
            console.print(line, highlight=False)
        for name, value in (*replicas(named[0][1]), *snapshots(named[0][1])):
            console.print(f"{name:<11}{value}", highlight=False)
        return
    table = Table(*COLUMNS)
    for values in rows:
        table.add_row(*values)
    console.print(table)
    names = list(dict.fromkeys(name for _, result in named for name in scalars(result.observables)))
    if not names:
        return
    table = Table("result", *names)
    for path, result in named:
        found = [scalars(result.observables).get(name) for name in names]
        table.add_row(path.stem, *("-" if one is None else _number(one) for one in found))
    Console(width=max(200, 40 * len(names)), soft_wrap=True, markup=False, emoji=False).print(table)


def scalar_lines(observables: dict[str, Observable]) -> list[str]:
    """The observables that are one number, with what they are."""
    return [f"{name:<32}{_number(one):<24} {one.long_name}" for name, one in scalars(observables).items()]


def array_lines(observables: dict[str, Observable]) -> list[str]:
    """The range of each observable that is a function of place or momentum."""
    lines = []
    for name, one in observables.items():
        if one.axes:
            ends = " to ".join(_at(one, int(index)) for index in (np.argmin(one.mean), np.argmax(one.mean)))
            lines.append(f"{name:<32}{np.size(one.mean)} values from {ends}; {one.long_name}")
    return lines


def _at(observable: Observable, index: int) -> str:
    """The value with its error, and where it is, of a flat index."""
    places = np.unravel_index(index, np.shape(observable.mean))
    axes = zip(observable.axes.items(), places, strict=True)
    where = ", ".join(f"{axis} = {values[place]:g}" for (axis, values), place in axes)
    return f"{with_error(float(np.ravel(observable.mean)[index]), float(np.ravel(observable.error)[index]))} at {where}"


def _number(scalar: Observable) -> str:
    return with_error(float(scalar.mean), float(scalar.error))


def scalars(observables: dict[str, Observable]) -> dict[str, Observable]:
    """Those that are one number."""
    return {name: one for name, one in observables.items() if not one.axes}

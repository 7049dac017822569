"""The table of any number of results for other programs: CSV, or HDF5 that opens with xarray."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nqs import files, run_file
from nqs.convergence import fall, still_falls
from nqs.errors import InputError
from nqs.files import Dataset, Group
from nqs.report import scalars
from nqs.results import MEASURED, Result, labels
from nqs.scan_file import short_keys
from nqs.text import with_error

# Keys of a run that say where it is, not what it is.
PLACES = ("run.init_from",)
ROW = "result"


def table(found: list[tuple[Path, Result]]) -> dict[str, list[Any]]:
    """Columns by name, a row for each result: name, status and steps, the keys in which their run files differ, what
    was measured (NaN before it is), the relative error with its own, the observables that are one number with theirs,
    the seconds of all steps, and warnings.
    """
    identities = [_identity(path, result) for path, result in found]
    numbers = [_numbers(result) for _, result in found]
    configs = [_flat(result.config) for _, result in found]
    keys = short_keys(_differing(configs), {name for row in (*identities, *numbers) for name in row})
    columns = [{label: config.get(key, "") for key, label in keys.items()} for config in configs]
    rows = [first | given | last for first, given, last in zip(identities, columns, numbers, strict=True)]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name, np.nan) for row in rows] for name in names}


def write_table(path: Path, found: list[tuple[Path, Result]]) -> None:
    """Write the table to a file that ends in .csv or .h5.

    Raises `InputError` for another ending or if it cannot be written.
    """
    write_columns(path, table(found), found[0][1].energy_unit)


def write_columns(path: Path, columns: dict[str, list[Any]], energy_unit: str) -> None:
    """Like `write_table`, of any columns of one length."""
    try:
        if path.suffix == ".csv":
            files.write_text(path, _csv(columns))
        elif path.suffix == ".h5":
            files.write(path, _group(columns, energy_unit))
        else:
            raise InputError(f"{path}: --output must end in .csv or .h5")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def warnings(result: Result) -> Iterator[str]:
    """What the run warned about, and whether its energy still falls."""
    yield from (warning["message"] for warning in result.warnings)
    fell = fall(result.history)
    if fell is not None and still_falls(result.history, result.measured.get("energy_error", 0.0)):
        yield f"the energy still falls: by {with_error(*fell)} over the last half of the steps; more steps"


def _identity(path: Path, result: Result) -> dict[str, Any]:
    return {ROW: path.stem, "file": str(path), "status": result.status, "steps": result.n_steps}


def _numbers(result: Result) -> dict[str, Any]:
    measured = {name: result.measured.get(name, np.nan) for name in MEASURED}
    reference = measured["reference"] or np.nan
    return {
        **measured,
        "relative_error": (measured["energy"] - reference) / abs(reference),
        "relative_error_error": measured["energy_error"] / abs(reference),
        **{name: float(one.mean) for name, one in scalars(result.observables).items()},
        **{f"{name}_error": float(one.error) for name, one in scalars(result.observables).items()},
        "wall_time": result.history["wall_time"][-1] if result.n_steps else 0.0,
        "snapshot_seconds": sum(launch.get("snapshot_seconds", 0.0) for launch in result.provenance),
        "warnings": "; ".join(warnings(result)),
    }


def _differing(configs: list[dict[str, Any]]) -> list[str]:
    """The keys in which run files differ."""
    keys = sorted({key for config in configs for key in config if key not in PLACES})
    return [key for key in keys if len({repr(config.get(key)) for config in configs}) > 1]


def _flat(config: str) -> dict[str, Any]:
    return run_file.flat(run_file.parse_text(config, "")) if config else {}


def _csv(columns: dict[str, list[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return stream.getvalue()


def _group(columns: dict[str, list[Any]], energy_unit: str) -> Group:
    units = {name: labels(*described, energy_unit) for name, described in MEASURED.items()}
    return Group({name: Dataset(_array(values), units.get(name, {}), (ROW,)) for name, values in columns.items()})


def _array(values: list[Any]) -> np.ndarray:
    """Numbers as numbers, anything else as text."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values)
    return np.array([str(value) for value in values])

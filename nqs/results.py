"""The schema of a result file, `nqs-run/1`: what a snapshot holds. Reading and writing is in `nqs.files`."""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np

from nqs import files
from nqs.errors import InputError
from nqs.files import Dataset, Group
from nqs.groups import datasets, flat, nested, values_of
from nqs.result_checks import check_good, check_grid, check_measured, check_schema, check_state, check_tables

SCHEMA = "nqs-run/1"
FORMAT_VERSION = 1

# A file never says "died": it is what a reader finds of a run that is running by its file and that no process writes.
Status = Literal["running", "complete", "interrupted", "failed", "died"]

# The kind of the warning of a result that failed; it says why.
FAILED = "failed"

# Column: (unit, long name); the unit of energy is that of the Hamiltonian.
ENERGY, ENERGY_SQUARED = "energy", "energy squared"
HISTORY = {
    "step": ("1", "optimisation step"),
    "energy": (ENERGY, "energy, mean local energy of the samples of the step"),
    "energy_error": (ENERGY, "statistical error of the energy (one standard deviation)"),
    "variance": (ENERGY_SQUARED, "variance of the local energy"),
    "v_score": ("1", "V-score, N Var/(E - E_inf)^2"),
    "rhat": ("1", "split R-hat of the local energy over a window of steps"),
    "tau": ("samples", "autocorrelation time 1 + 2 sum rho of the local energy over a window of steps"),
    "acceptance": ("1", "accepted over proposed moves"),
    "gradient_norm": (ENERGY, "norm of the energy gradient"),
    "wall_time": ("s", "wall-clock time since the start, all launches together"),
}
MEASURED = {
    "energy": (ENERGY, "energy at the final parameters"),
    "energy_error": (ENERGY, "statistical error of the energy (blocking, one standard deviation)"),
    "energy_imaginary": (ENERGY, "imaginary part of the mean local energy; zero within its error"),
    "energy_imaginary_error": (ENERGY, "statistical error of the imaginary part"),
    "variance": (ENERGY_SQUARED, "variance of the local energy"),
    "variance_error": (ENERGY_SQUARED, "statistical error of the variance"),
    "v_score": ("1", "V-score, N Var/(E - E_inf)^2"),
    "v_score_error": ("1", "statistical error of the V-score"),
    "rhat": ("1", "rank-normalised split R-hat of the local energy of independently started chains"),
    "rhat_order": ("1", "the same of order parameters of spins, the largest one; NaN for particles"),
    "tau": ("samples", "autocorrelation time, samples over effective samples"),
    "ess": ("1", "effective sample size"),
    "n_samples": ("1", "number of samples"),
    "acceptance": ("1", "accepted over proposed moves"),
    "reference": (ENERGY, "exact ground-state energy, where there is one; none for the states of another sector"),
}
# Of `MEASURED`, what results of earlier versions do not have: NaN.
LATER_MEASURED = ("rhat_order", "variance_error", "v_score_error")
# Also measured, where the sampler has replicas.
DIAGNOSTICS = {
    "swap_acceptance": ("1", "accepted over proposed swaps of neighbouring replicas, from beta = 1 on"),
    "round_trips": ("1", "replicas that went from beta = 1 to beta_min and back, all chains together"),
}

LENGTH = "unit of length"
# Axis of an observable: (unit, long name); those of a lattice come in the order of its directions.
AXES = {
    "site": ("1", "site"),
    "other_site": ("1", "other site"),
    "sublattice_a": ("1", "number of the site within its unit cell"),
    "sublattice_b": ("1", "number of the other site within its unit cell"),
    "r": (LENGTH, "distance"),
    "k": (f"1/{LENGTH}", "wave number"),
    "q": ("1", "overlap of two configurations"),
    "a": ("1", "number of an orbital"),
    "b": ("1", "number of an orbital"),
    **{f"d{axis}": ("lattice vector", f"displacement along the lattice vector {axis}") for axis in "xyz"},
    **{f"k{axis}": ("2 pi/L", f"momentum along the reciprocal lattice vector {axis}") for axis in "xyz"},
}


@dataclass(frozen=True)
class Observable:
    """What was measured beside the energy: numbers on a grid of `axes` (in order, one for each dimension of `mean`).

    `error` is one standard deviation, 0 where the number is exact. `length_unit` is that of its distances.
    """

    mean: float | np.ndarray
    error: float | np.ndarray
    units: str
    long_name: str
    axes: dict[str, np.ndarray] = field(default_factory=dict)
    length_unit: str = LENGTH

    def axis_labels(self, axis: str) -> dict[str, str]:
        """The attributes of an axis."""
        unit, long_name = AXES[axis]
        return labels(unit.replace(LENGTH, self.length_unit), long_name, "")


@dataclass(frozen=True)
class Result:
    """Everything that came of a run.

    `history` and `measured` have the columns of `HISTORY` and `MEASURED` (`measured` is empty before the end, and has
    those of `DIAGNOSTICS` where the sampler has replicas); `observables` are those of `nqs measure`; `parameters` are
    by path, those after the last step, and `averaged` those over the last steps, where they are kept; `ansatz` is the
    wave function with the final ones of the two, where it is known. `state` holds what a continuation needs,
    the chains in global order. `warnings` have a kind, a step and a message. `config` is the resolved run file as TOML,
    empty for a run from a script.
    """

    status: Status
    config: str
    config_hash: str
    energy_unit: str
    provenance: tuple[dict[str, Any], ...]
    history: dict[str, np.ndarray]
    parameters: dict[str, np.ndarray]
    state: dict[str, Any]
    measured: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[dict[str, Any], ...] = ()
    instance: dict[str, np.ndarray] = field(default_factory=dict)
    observables: dict[str, Observable] = field(default_factory=dict)
    averaged: dict[str, np.ndarray] = field(default_factory=dict)
    ansatz: Any = None

    @property
    def n_steps(self) -> int:
        """The number of completed steps."""
        return len(self.history["step"])

    @property
    def final_parameters(self) -> dict[str, np.ndarray]:
        """The parameters that are measured: the averaged ones, where they are kept."""
        return self.averaged or self.parameters


# What is needed to continue, beside the optimiser state, which may have no arrays.
STATE = ("step", "chains", "energy_shift", "window")


def empty_history() -> dict[str, np.ndarray]:
    """The history before step 0."""
    return {name: np.zeros(0) for name in HISTORY}


def to_group(result: Result) -> Group:
    """The content of the file of a result."""
    unit = result.energy_unit
    history = {
        name: Dataset(np.asarray(result.history[name], dtype=np.float64), labels(*HISTORY[name], unit), ("step",))
        for name in HISTORY
    }
    measured = {
        name: Dataset(result.measured[name], labels(*(MEASURED | DIAGNOSTICS)[name], unit)) for name in result.measured
    }
    groups = {
        "provenance": Group({f"{i:03d}": datasets(launch) for i, launch in enumerate(result.provenance)}),
        "history": Group(dict(history)),
        "measured": Group(dict(measured)),
        "observables": Group({name: _observable_group(found) for name, found in result.observables.items()}),
        "warnings": Group({f"{i:03d}": datasets(warning) for i, warning in enumerate(result.warnings)}),
        "parameters": nested(result.parameters),
        "averaged": nested(result.averaged),
        "state": _state_group(result.state),
        "instance": datasets(result.instance),
    }
    content = {name: group for name, group in groups.items() if group.items}
    attributes = {
        "schema": SCHEMA,
        "format_version": FORMAT_VERSION,
        "status": result.status,
        "config_hash": result.config_hash,
        "energy_unit": unit,
    }
    return Group({"config": Dataset(result.config), **content}, attributes)


def from_group(content: Group, name: str) -> Result:
    """The result in the content of the file called `name`.

    Raises `InputError` if it is not a result, or of a newer format.
    """
    check_schema(name, content.attributes, FORMAT_VERSION)
    try:
        state = values_of(content.items["state"])
        measured = values_of(content.items.get("measured", Group()))
        if measured:
            measured = dict.fromkeys(LATER_MEASURED, np.nan) | measured
        _require("state", STATE, state)
        if "good" in state:
            _require("state/good", (*STATE, "parameters"), state["good"])
            check_good(state)
        _require("measured", MEASURED, measured or MEASURED)
        _require_header(content)
        history = _columns(values_of(content.items["history"]))
        check_state(state, len(history["step"]))
        check_measured(measured, MEASURED)
        warnings = tuple(w for _, w in sorted(values_of(content.items.get("warnings", Group())).items()))
        provenance = tuple(launch for _, launch in sorted(values_of(content.items["provenance"]).items()))
        check_tables("warnings", warnings, ("kind", "step", "message"))
        check_tables("provenance", provenance, ())
        for part in (state, *([state["good"]] if "good" in state else [])):
            part["optimizer"] = [np.asarray(array) for _, array in sorted(part.get("optimizer", {}).items())]
        return Result(
            status=content.attributes["status"],
            config=values_of(content)["config"],
            config_hash=content.attributes["config_hash"],
            energy_unit=content.attributes["energy_unit"],
            provenance=provenance,
            history=history,
            parameters=flat(content.items["parameters"]),
            averaged=flat(content.items.get("averaged", Group())),
            state=state,
            measured=measured,
            warnings=warnings,
            instance=values_of(content.items.get("instance", Group())),
            observables=_observables(content.items.get("observables", Group())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{name}: a damaged result: {error!r}") from error


def _state_group(state: dict[str, Any]) -> Group:
    optimizer = Group({f"{i:03d}": Dataset(array) for i, array in enumerate(state["optimizer"])})
    nested_ones = {"optimizer": optimizer, **({"good": _state_group(state["good"])} if "good" in state else {})}
    return Group({name: nested_ones[name] if name in nested_ones else Dataset(state[name]) for name in state})


def _require(group: str, names: Iterable[str], found: Container[str]) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"/{group} has no {', '.join(missing)}")


def _require_header(content: Group) -> None:
    status, config = content.attributes["status"], values_of(content)["config"]
    if status not in get_args(Status) or not isinstance(config, str):
        raise ValueError(f"status {status!r}, a configuration of type {type(config).__name__}")


def _columns(history: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    shapes = {(history[name].shape, history[name].dtype) for name in HISTORY}
    if len(shapes) != 1 or next(iter(shapes)) != ((len(history["step"]),), np.float64):
        raise ValueError("columns of the history are not of one length and float64")
    return history


def read(path: Path) -> Result:
    """The result in a file.

    Raises `InputError` if the file cannot be read, is not whole, is not a result or is of a newer format.
    """
    content = files.read(path, lambda attributes: check_schema(str(path), attributes, FORMAT_VERSION))
    return from_group(content, str(path))


def write(path: Path, result: Result, confirm: Callable[[], None] = lambda: None) -> None:
    """Put a result in the place of `path` in one step; `confirm` is called just before and may raise."""
    files.write(path, to_group(result), confirm)


def labels(unit: str, long_name: str, energy_unit: str) -> dict[str, str]:
    """The attributes of a dataset; a unit of energy is that of the Hamiltonian."""
    units = {ENERGY: energy_unit, ENERGY_SQUARED: f"({energy_unit})^2"}.get(unit, unit)
    return {"units": units, "long_name": long_name}


def _observable_group(observable: Observable) -> Group:
    axes = tuple(observable.axes)
    described = labels(observable.units, observable.long_name, "")
    scales = {
        name: Dataset(np.asarray(values, dtype=np.float64), observable.axis_labels(name), (name,))
        for name, values in observable.axes.items()
    }
    error = {**described, "long_name": f"statistical error (one standard deviation) of: {observable.long_name}"}
    return Group(
        {"mean": Dataset(observable.mean, described, axes), "error": Dataset(observable.error, error, axes), **scales}
    )


def _observables(content: Group | Dataset) -> dict[str, Observable]:
    found = {}
    for name, group in cast(Group, content).items.items():
        parts = cast(dict[str, Dataset], cast(Group, group).items)
        attributes = parts["mean"].attributes
        axes = {axis: parts[axis].values for axis in AXES if axis in parts}
        check_grid(name, parts["mean"].values, parts["error"].values, axes)
        lengths = [str(parts[axis].attributes["units"]).removeprefix("1/") for axis in ("r", "k") if axis in axes][:1]
        found[name] = Observable(
            parts["mean"].values,
            parts["error"].values,
            attributes["units"],
            attributes["long_name"],
            axes,
            *lengths,
        )
    return found

"""What the parts of a result must be, so that a damaged file is refused when it is read and not when it is used."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nqs.errors import InputError


def check_schema(name: str, attributes: Mapping[str, Any], newest: int) -> None:
    """The file called `name` says that it is a result, of a format up to `newest`; else `InputError`."""
    schema, version = attributes.get("schema"), attributes.get("format_version", 0)
    if not isinstance(schema, str) or not schema.startswith("nqs-run/"):
        raise InputError(f"{name}: an HDF5 file, but not a result of nqs")
    if not isinstance(version, int):
        raise InputError(f"{name}: a damaged result, its format_version is {version!r}")
    if version > newest:
        raise InputError(f"{name}: written by a newer nqs (format {version}; this one reads up to {newest})")


def check_state(state: Mapping[str, Any], n_steps: int) -> None:
    """The step is the number of rows of the history, the chains are spins or positions and the window is theirs; else
    `ValueError`.
    """
    step, chains, window = (state[name] for name in ("step", "chains", "window"))
    if step != n_steps:
        raise ValueError(f"/state: step {step!r} after {n_steps} rows of the history")
    if np.ndim(chains) < 2 or np.asarray(chains).dtype not in (np.int8, np.float64):
        raise ValueError(f"/state: chains of {np.ndim(chains)} axes and type {np.asarray(chains).dtype}")
    if np.ndim(window) != 3 or np.shape(window)[1:] != (2, len(chains)):
        raise ValueError(f"/state: a window of shape {np.shape(window)} for {len(chains)} chains")
    if not isinstance(state["energy_shift"], float):
        raise ValueError("/state/energy_shift is no number")


def check_good(state: Mapping[str, Any]) -> None:
    """What a state goes back to has the shapes of the state itself, and the numbers beside it are numbers; else
    `ValueError`.
    """
    good = state["good"]
    check_state(good, good["step"])
    if not isinstance(good["step"], int) or not 0 <= good["step"] <= state["step"]:
        raise ValueError(f"/state/good: step {good['step']!r}")
    if np.shape(good["chains"]) != np.shape(state["chains"]) or good["chains"].dtype != state["chains"].dtype:
        raise ValueError("/state/good: chains that are not those of the state")
    for values in (good["parameters"], good.get("average", good["parameters"])):
        if np.ndim(values) != 1 or np.asarray(values).dtype != np.float64:
            raise ValueError("/state/good: parameters that are no list of numbers")
    for name in ("scale", "lowest_variance"):
        if not isinstance(state.get(name), float):
            raise ValueError(f"/state/{name} is no number")


def check_measured(measured: Mapping[str, Any], columns: Iterable[str]) -> None:
    """The columns are numbers, and the swaps of replicas, where there are any, a list; else `ValueError`."""
    if not all(isinstance(measured[name], float) for name in columns if measured):
        raise ValueError("/measured holds what is no number")
    if np.ndim(measured.get("swap_acceptance", np.zeros(1))) != 1:
        raise ValueError("/measured/swap_acceptance is no list")


def check_tables(group: str, tables: Iterable[Any], keys: Iterable[str]) -> None:
    """Each is a table with these keys; else `ValueError`."""
    for table in tables:
        if not isinstance(table, dict) or not all(key in table for key in keys):
            raise ValueError(f"/{group} holds what is no {group}")


def check_grid(name: str, mean: Any, error: Any, axes: Mapping[str, Any]) -> None:
    """Mean and error of an observable are numbers on the grid of its axes; else `ValueError`."""
    shape = tuple(np.size(values) for values in axes.values())
    if np.shape(mean) != shape or np.shape(error) != shape:
        raise ValueError(f"/observables/{name}: {np.shape(mean)} and {np.shape(error)} on axes of {shape}")

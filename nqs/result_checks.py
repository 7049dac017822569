"""What the parts of a result must be, so that a damaged file is refused when it is read and not when it is used."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def check_state(state: Mapping[str, Any]) -> None:
    """The step is a whole number, the chains are an array and the window is one of three axes; else `ValueError`."""
    step, chains, window = (state[name] for name in ("step", "chains", "window"))
    if not isinstance(step, int) or np.ndim(chains) < 2 or np.ndim(window) != 3:
        raise ValueError(f"/state: step {step!r}, chains of {np.ndim(chains)} axes, window of {np.ndim(window)}")
    if not isinstance(state["energy_shift"], float):
        raise ValueError("/state/energy_shift is no number")


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

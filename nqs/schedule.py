"""A number that changes with the step, by a schedule of optax."""

import inspect
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
import optax


@dataclass(frozen=True)
class Schedule:
    """The optax schedule `name` with these arguments; equal ones share what was compiled with them."""

    name: str
    arguments: tuple[tuple[str, float | int | bool | str], ...]

    def __call__(self, step: Any) -> Any:
        """Its value at a step, a scalar array."""
        return _value(self, step)


@partial(jax.jit, static_argnums=0)
def _value(schedule: Schedule, step):
    return getattr(optax.schedules, schedule.name)(**dict(schedule.arguments))(step)


def number_or_schedule(key: str, value: float | dict[str, Any]) -> float | Schedule:
    """What a key of a run file says: a number, or a table with the name of a schedule and its arguments.

    Raises `ValueError` naming the key if the arguments are not those of the schedule or it begins with nonsense.
    """
    if not isinstance(value, dict):
        return value
    arguments = {name: argument for name, argument in value.items() if name != "schedule"}
    schedule = Schedule(value["schedule"], tuple(sorted(arguments.items())))
    signature = inspect.signature(getattr(optax.schedules, schedule.name))
    try:
        signature.bind(**arguments)
        first = float(schedule(0))
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        keys = ", ".join(signature.parameters)
        raise ValueError(f"{key}, schedule {schedule.name}: {error}; its keys are {keys}") from error
    if not (np.isfinite(first) and (first > 0 or key != "diagonal_shift")):
        raise ValueError(f"{key}, schedule {schedule.name}: it begins with {first}")
    return schedule

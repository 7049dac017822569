"""Gradient transforms of optax that a run file names."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import optax

from nqs.import_path import check_keys

Argument = float | int | bool | str


@dataclass(frozen=True)
class Transform:
    """The optax transform `name` with these arguments."""

    name: str
    arguments: tuple[tuple[str, Argument], ...]

    def __call__(self) -> optax.GradientTransformation:
        """The transform itself."""
        return getattr(optax, self.name)(**dict(self.arguments))


@dataclass(frozen=True)
class Chain:
    """The transforms one after the other, then minus the learning rate; equal ones share what was compiled."""

    transforms: tuple[Transform, ...]

    def __call__(self, learning_rate: Any) -> optax.GradientTransformation:
        """The transform with this learning rate, a number or a schedule."""
        return optax.chain(*(make() for make in self.transforms), optax.scale_by_learning_rate(learning_rate))


def chain_of(tables: Iterable[dict[str, Argument]]) -> Chain:
    """The chain of tables of a run file, each with the name of a `transform` and its arguments.

    Raises `ValueError` naming the transform, and the key if it is none of its arguments, or if it is missing.
    """
    return Chain(tuple(_checked(table) for table in tables))


def _checked(table: dict[str, Any]) -> Transform:
    name, arguments = table["transform"], {key: value for key, value in table.items() if key != "transform"}
    transform = Transform(name, tuple(sorted(arguments.items())))
    try:
        check_keys(getattr(optax, name), arguments)
        jax.eval_shape(lambda theta: _one_update(transform(), theta), np.ones(1))
    except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"chain, {name}: {error}") from error
    return transform


def _one_update(transform: optax.GradientTransformation, theta: Any) -> Any:
    return transform.update(theta, transform.init(theta), theta)

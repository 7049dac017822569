"""From the energy gradient to new parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import Float

from nqs.min_sr import MinSR
from nqs.natural_gradient import NaturalGradient, StochasticReconfiguration

Shift = float | Callable[[int], Any]

# What the automatic choice takes for too large a dense matrix; its factorisation then takes a minute on a core.
MAX_DENSE = 16_384


class Automatic(eqx.Module):
    """Dense SR, minSR or conjugate gradients, whichever has the smallest matrix."""

    diagonal_shift: Shift = eqx.field(static=True)
    momentum: float = eqx.field(static=True, default=0.0)

    def choose(self, n_rows: int, n_parameters: int) -> tuple[NaturalGradient, str]:
        """The solver and the reason; a complex ψ has two rows a sample."""
        smaller = min(n_rows, n_parameters)
        if smaller > MAX_DENSE and (not self.momentum or n_parameters <= n_rows):
            reason = f"SR by conjugate gradients: {n_rows} rows and {n_parameters} parameters, no small dense matrix"
            return StochasticReconfiguration(self.diagonal_shift, solver="cg", momentum=self.momentum), reason
        if n_rows < n_parameters:
            reason = f"minSR: fewer rows of samples ({n_rows}) than parameters ({n_parameters})"
            return MinSR(self.diagonal_shift, self.momentum), reason
        reason = f"dense SR: no more parameters ({n_parameters}) than rows of samples ({n_rows})"
        return StochasticReconfiguration(self.diagonal_shift, momentum=self.momentum), reason


class Optimizer(eqx.Module):
    """An optax transform of a direction: the energy gradient, or that of a `natural` gradient.

    The transform is `make(**settings)`; numbers among the settings are arrays to the compiled update, so that runs that
    differ in them share it. It acts on the vector of real parameters, on rank 0; the new parameters are broadcast.
    With `clip` local energies count in the gradient as in `nqs.clipping`, with `roll_back` a run goes back from an
    explosion as in `nqs.state.guarded`.
    """

    make: Callable[..., optax.GradientTransformation] = eqx.field(static=True)
    settings: dict[str, Float[np.ndarray, ""] | Callable[[Any], Any]]
    natural: NaturalGradient | Automatic | None
    clip: float | None = eqx.field(static=True)
    roll_back: float | None = eqx.field(static=True)

    def __init__(
        self,
        make: Callable[..., optax.GradientTransformation],
        settings: Mapping[str, optax.ScalarOrSchedule | np.ndarray],
        natural: NaturalGradient | Automatic | None = None,
        clip: float | None = None,
        roll_back: float | None = None,
    ):
        self.make, self.natural, self.clip, self.roll_back = make, natural, clip, roll_back
        self.settings = {
            name: value if callable(value) else np.asarray(value, dtype=np.float64) for name, value in settings.items()
        }

    def chosen(self, n_rows: int, n_parameters: int) -> tuple["Optimizer", str]:
        """This optimiser with an automatic choice made, and the reason of it."""
        if not isinstance(self.natural, Automatic):
            return self, ""
        natural, reason = self.natural.choose(n_rows, n_parameters)
        return Optimizer(self.make, self.settings, natural, self.clip, self.roll_back), reason

    def init(self, theta: Float[np.ndarray, " n_parameters"]) -> tuple[Any, Float[np.ndarray, " n_parameters"] | None]:
        """The state of the transform, and the last direction where it is kept."""
        keeps = isinstance(self.natural, NaturalGradient) and self.natural.keeps_direction
        return self.make(**self.settings).init(theta), np.zeros_like(theta) if keeps else None

    def update(
        self,
        direction: Float[np.ndarray, " n_parameters"],
        state: Any,
        theta: Float[np.ndarray, " n_parameters"],
        scale: float = 1.0,
    ) -> tuple[Float[np.ndarray, " n_parameters"], Any]:
        """The new parameters, with `scale` of the change, and the new state."""
        transformed, last = state
        change, transformed = _update(self.make, self.settings, direction, transformed, theta)
        return theta + scale * np.asarray(change), (transformed, None if last is None else direction)


@eqx.filter_jit
def _update(make, settings, direction, state, theta):
    return make(**settings).update(direction, state, theta)


def sgd(learning_rate: optax.ScalarOrSchedule = 0.01) -> Optimizer:
    """θ ← θ − η · gradient."""
    return _descent(learning_rate, None)


def adam(learning_rate: optax.ScalarOrSchedule = 1e-3, b1: float = 0.9, b2: float = 0.999) -> Optimizer:
    """Adam (D. Kingma and J. Ba, ICLR 2015) with decay rates b1 and b2 of the moments."""
    return Optimizer(optax.adam, {"learning_rate": learning_rate, "b1": b1, "b2": b2})


def from_optax(transform: optax.GradientTransformation) -> Optimizer:
    """θ ← θ + what any transform of optax makes of the gradient, such as `optax.adamw(0.01)`.

    It sees all real parameters as one vector, and is given nothing but the gradient and the parameters. Its state,
    which results hold, must be of numbers.
    """
    return Optimizer(lambda: transform, {})


def sr(
    learning_rate: optax.ScalarOrSchedule = 0.05,
    diagonal_shift: Shift = 1e-2,
    solver: Literal["cholesky", "cg"] = "cholesky",
) -> Optimizer:
    """θ ← θ − η (S + λ)⁻¹ F with λ = `diagonal_shift`."""
    return _descent(learning_rate, StochasticReconfiguration(diagonal_shift, solver=solver))


def minsr(learning_rate: optax.ScalarOrSchedule = 0.05, diagonal_shift: Shift = 1e-2) -> Optimizer:
    """The step of `sr`, solved in the space of samples."""
    return _descent(learning_rate, MinSR(diagonal_shift))


def spring(
    learning_rate: optax.ScalarOrSchedule = 0.05, diagonal_shift: Shift = 1e-2, momentum: float = 0.9
) -> Optimizer:
    """The step of `auto` with a decaying memory μ = `momentum` of the last direction."""
    return _descent(learning_rate, Automatic(diagonal_shift, momentum))


def auto(learning_rate: optax.ScalarOrSchedule = 0.05, diagonal_shift: Shift = 1e-2) -> Optimizer:
    """The step of `sr` by whichever solver has the smallest matrix."""
    return _descent(learning_rate, Automatic(diagonal_shift))


def _descent(learning_rate: optax.ScalarOrSchedule, natural: NaturalGradient | Automatic | None) -> Optimizer:
    return Optimizer(optax.sgd, {"learning_rate": learning_rate}, natural)


def limited(
    optimizer: Optimizer, clip: float | None = None, max_norm: float | None = None, roll_back: float | None = None
) -> Optimizer:
    """The optimiser with clipped local energies in its gradient, no change of the parameters beyond `max_norm`, and a
    way back once the variance is `roll_back` times the lowest one.

    The norm constraint of G. Goldshlager, N. Abrahamsen and L. Lin, J. Comput. Phys. 516, 113351 (2024), eq. 30.
    """
    make, settings = optimizer.make, dict(optimizer.settings)
    if max_norm is not None:
        make, settings = Limited(make), {**settings, "max_norm": np.asarray(max_norm)}
    return Optimizer(make, settings, optimizer.natural, clip, roll_back)


@dataclass(frozen=True)
class Limited:
    """The transform of `make` with changes of the norm `max_norm` at most; equal ones share what was compiled."""

    make: Callable[..., optax.GradientTransformation]

    def __call__(self, max_norm: Any, **settings: Any) -> optax.GradientTransformation:
        """The transform with these settings."""
        return optax.chain(self.make(**settings), optax.clip_by_global_norm(max_norm))


def state_arrays(state: Any) -> list[np.ndarray]:
    """The arrays of an optimiser state, in a fixed order."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]


def restore_state(template: Any, arrays: list[np.ndarray]) -> Any:
    """The state of the structure of `template` with these arrays.

    Raises `ValueError` if they are of another structure.
    """
    leaves, treedef = jax.tree.flatten(template)
    if [np.shape(a) for a in arrays] != [np.shape(t) for t in leaves]:
        raise ValueError("its optimiser state is that of another optimiser")
    return jax.tree.unflatten(
        treedef, [np.asarray(a, dtype=np.asarray(t).dtype) for a, t in zip(arrays, leaves, strict=True)]
    )

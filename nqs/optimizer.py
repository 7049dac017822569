"""From the energy gradient to new parameters."""

from typing import Any, Literal

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import Float

from nqs.natural_gradient import StochasticReconfiguration


class Optimizer(eqx.Module):
    """An optax `transform` of a direction: the energy gradient, or with `natural` (S + λ)⁻¹ F.

    It acts on the vector of real parameters, on rank 0; the new parameters are broadcast.
    """

    transform: optax.GradientTransformation = eqx.field(static=True)
    natural: StochasticReconfiguration | None = None

    def init(self, theta: Float[np.ndarray, " n_parameters"]) -> Any:
        """The state of the transform."""
        return self.transform.init(theta)

    def update(
        self,
        direction: Float[np.ndarray, " n_parameters"],
        state: Any,
        theta: Float[np.ndarray, " n_parameters"],
    ) -> tuple[Float[np.ndarray, " n_parameters"], Any]:
        """The new parameters and the new state."""
        change, state = _update(self.transform, direction, state, theta)
        return theta + np.asarray(change), state


@eqx.filter_jit
def _update(transform, direction, state, theta):
    return transform.update(direction, state, theta)


def sgd(learning_rate: optax.ScalarOrSchedule = 0.01) -> Optimizer:
    """θ ← θ − η · gradient."""
    return Optimizer(optax.sgd(learning_rate))


def adam(learning_rate: optax.ScalarOrSchedule = 1e-3, b1: float = 0.9, b2: float = 0.999) -> Optimizer:
    """Adam (D. Kingma and J. Ba, ICLR 2015) with decay rates b1 and b2 of the moments."""
    return Optimizer(optax.adam(learning_rate, b1=b1, b2=b2))


def sr(
    learning_rate: optax.ScalarOrSchedule = 0.05,
    diagonal_shift: float = 1e-2,
    solver: Literal["cholesky", "cg"] = "cholesky",
) -> Optimizer:
    """θ ← θ − η (S + λ)⁻¹ F with λ = `diagonal_shift`."""
    return Optimizer(optax.sgd(learning_rate), StochasticReconfiguration(diagonal_shift, solver))


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

"""What changes from step to step, and the keys that all randomness follows from."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Key, Num

# Every use of randomness has its own stream, folded into the seed.
START, TRAIN, MEASURE, PARAMETERS, REPLICAS, OVERLAPS, RESTART = range(7)


def stream(seed: int, purpose: int) -> Key[Array, ""]:
    """The root key of one use of randomness."""
    return jax.random.fold_in(jax.random.key(seed), purpose)


@dataclass(frozen=True)
class State:
    """The state between two steps: `x` are the chains of this rank, `theta` the real parameters.

    `optimizer` is up to date on rank 0. `shift` is the last mean energy, subtracted before sums are formed; `window`
    holds the recent chain means for R-hat and τ; `average` is that of θ over the last steps, None where none is kept.
    """

    step: int
    theta: Float[np.ndarray, " n_parameters"]
    x: Num[Array, "n_local *chain"]
    optimizer: Any
    shift: float
    window: Float[np.ndarray, "steps 2 n_chains"]
    average: Float[np.ndarray, " n_parameters"] | None = None

    @property
    def final(self) -> Float[np.ndarray, " n_parameters"]:
        """The parameters that are measured."""
        return self.theta if self.average is None else self.average

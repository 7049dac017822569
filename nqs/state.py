"""What changes from step to step, and the keys that all randomness follows from."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Key, Num

from nqs.statistics import LOW_ACCEPTANCE

# Steps between two looks at whether the parameters are worth going back to.
GOOD_EVERY = 20
# Every use of randomness has its own stream, folded into the seed.
START, TRAIN, MEASURE, PARAMETERS, REPLICAS, OVERLAPS, RESTART, LANCZOS = range(8)


def stream(seed: int, purpose: int) -> Key[Array, ""]:
    """The root key of one use of randomness."""
    return jax.random.fold_in(jax.random.key(seed), purpose)


@dataclass(frozen=True)
class State:
    """The state between two steps: `x` are the chains of this rank, `theta` the real parameters.

    `optimizer` is up to date on rank 0. `shift` is the last mean energy, subtracted before sums are formed; `window`
    holds the recent chain means for R-hat and τ; `average` is that of θ over the last steps, None where none is kept.
    The last three belong to `guarded`: a state to go back to, the lowest variance of all steps so far, and the part of
    each change of θ that is made.
    """

    step: int
    theta: Float[np.ndarray, " n_parameters"]
    x: Num[Array, "n_local *chain"]
    optimizer: Any
    shift: float
    window: Float[np.ndarray, "steps 2 n_chains"]
    average: Float[np.ndarray, " n_parameters"] | None = None
    good: "State | None" = None
    lowest_variance: float = np.inf
    scale: float = 1.0

    @property
    def final(self) -> Float[np.ndarray, " n_parameters"]:
        """The parameters that are measured."""
        return self.theta if self.average is None else self.average

    def averaged(self, theta: Float[np.ndarray, " n_parameters"], n_steps: int) -> np.ndarray | None:
        """The `average` once θ has become this; None for an average over one step."""
        return None if n_steps == 1 else self.final + (theta - self.final) / min(self.step + 1, n_steps)


def guarded(before: State, after: State, variance: float, acceptance: float, factor: float | None) -> State:
    """The state to go on with after a step whose energy had this variance, and its sampling this acceptance.

    If the variance is more than `factor` times the lowest one, it is that of the last good parameters, with their
    chains and optimiser state, and all further changes of θ are halved; if it was that of the good parameters, it
    counts as the lowest one from then on. Parameters are looked at every `GOOD_EVERY` steps, and good if the variance
    is below √`factor` times the lowest one. A step whose chains hardly moved counts for neither. Schedules of the
    learning rate go back with the optimiser state.
    """
    if factor is None:
        return after
    good, is_sampled = before.good, acceptance > LOW_ACCEPTANCE and variance > 0
    lowest = min(before.lowest_variance, variance) if is_sampled else before.lowest_variance
    if is_sampled and good is not None and np.array_equal(before.theta, good.theta):
        lowest = variance
    if good is not None and variance > factor * lowest:
        return replace(
            good,
            step=after.step,
            window=good.window[:0],
            good=good,
            lowest_variance=lowest,
            scale=before.scale / 2,
        )
    is_low = before.step % GOOD_EVERY == 0 and variance < factor**0.5 * lowest
    if is_sampled and (good is None or is_low):
        good = replace(before, x=after.x, good=None)
    return replace(after, good=good, lowest_variance=lowest, scale=before.scale)

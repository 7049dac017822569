"""What a continuation needs of a state beside the parameters: to a result and back."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from nqs.optimizer import restore_state, state_arrays
from nqs.state import State


def saved(state: State, gather: Callable[[np.ndarray], np.ndarray | None]) -> dict[str, Any]:
    """The entries of `Result.state`; `gather` collects the chains of all ranks."""
    found = {
        "step": state.step,
        "chains": gather(np.asarray(state.x)),
        "energy_shift": state.shift,
        "window": state.window,
        "optimizer": state_arrays(state.optimizer),
    }
    if state.good is None:
        return found
    good = {**saved(state.good, gather), "parameters": state.good.theta}
    if state.good.average is not None:
        good["average"] = state.good.average
    return {**found, "good": good, "lowest_variance": state.lowest_variance, "scale": state.scale}


def restored(
    saved: dict[str, Any], theta: np.ndarray, average: np.ndarray | None, template: Any, share: slice
) -> State:
    """The state that `saved` describes, with the chains of `share` and an optimiser state like `template`.

    Raises `ValueError` if it does not fit.
    """
    good = saved.get("good")
    vectors = [] if good is None else [good["parameters"], good.get("average", good["parameters"])]
    if any(np.shape(vector) != theta.shape for vector in vectors):
        raise ValueError("its good parameters are those of another ansatz")
    return State(
        saved["step"],
        theta,
        jnp.asarray(saved["chains"][share]),
        restore_state(template, saved["optimizer"]),
        saved["energy_shift"],
        saved["window"],
        average,
        None if good is None else restored(good, good["parameters"], good.get("average"), template, share),
        saved.get("lowest_variance", np.inf),
        saved.get("scale", 1.0),
    )

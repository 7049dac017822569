"""The one flat array that ranks add up in a step."""

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int, Num

from nqs.gradient import energy_components, gradient_sums
from nqs.parallel import Communicator
from nqs.parameters import RealView
from nqs.sampler.base import SamplerInfo
from nqs.statistics import N_SUMS, block_sums


@dataclass(frozen=True)
class StepSums:
    """Sums over the samples of all ranks.

    `wishes` is (stop, snapshot), how many ranks want it; `counts` is (accepted, proposed); `blocks` are the
    `block_sums` of all chains in global order; `gradient` the `gradient_sums`.
    """

    wishes: Float[np.ndarray, " 2"]
    counts: Float[np.ndarray, " 2"]
    blocks: Float[np.ndarray, "4 n_chains blocks"]
    gradient: Float[np.ndarray, "one_plus_components n_parameters"]


def reduce_step(
    communicator: Communicator,
    wishes: Callable[[], Float[np.ndarray, " 2"]],
    local: Float[Array, " n"],
    n_chains: int,
    blocks: int,
    n_parameters: int,
) -> StepSums:
    """One Allreduce of the wishes of this rank, asked as late as can be, and of its `local_sums`."""
    values = np.asarray(local)
    total = communicator.sum(np.concatenate([wishes(), values]))
    all_wishes, counts, block_part, gradient = np.split(total, [2, 4, 4 + N_SUMS * n_chains * blocks])
    return StepSums(
        all_wishes, counts, block_part.reshape(N_SUMS, n_chains, blocks), gradient.reshape(-1, n_parameters)
    )


@eqx.filter_jit
def local_sums(
    view: RealView,
    theta: Float[Array, " n_parameters"],
    samples: Num[Array, "n_local per_chain *configuration"],
    energies: Inexact[Array, "n_local per_chain"],
    clipped: Inexact[Array, "n_local per_chain"],
    shift: Float[Array, ""],
    info: SamplerInfo,
    chains: Int[Array, " n_local"],
    *,
    n_chains: int,
    blocks: int,
    components: int,
    chunk_size: int,
) -> Float[Array, " n"]:
    """What this rank contributes: the counts, its blocks at the place of its chains, and the gradient sums, of
    the clipped energies."""
    flat = samples.reshape(-1, *samples.shape[2:])
    shifted = energy_components((clipped - shift).ravel(), components)
    gradient = gradient_sums(view, theta, flat, shifted, chunk_size)
    placed = jnp.zeros((N_SUMS, n_chains, blocks)).at[:, chains].set(block_sums(energies, shift, blocks))
    return jnp.concatenate([jnp.stack([info.n_accepted, info.n_proposed]), placed.ravel(), gradient.ravel()])

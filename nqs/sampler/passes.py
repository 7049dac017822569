"""Samples of a wave function whose parameters stay as they are."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, Num

from nqs.ansatz.base import Ansatz
from nqs.parallel import Communicator
from nqs.sampler.base import Sampler, SamplerInfo, sample

# Of a pass, between two of its lines in a log.
LOG_SECONDS = 30.0
logger = logging.getLogger("nqs")


def n_steps(sampler: Sampler, n_samples: int) -> int:
    """How many whole steps of a sampler give `n_samples` or more."""
    return -(-n_samples // sampler.n_samples)


def sampling_pass(
    sampler: Sampler,
    ansatz: Ansatz,
    key: Key[Array, ""],
    chains: Int[Array, " n_local"],
    x: Num[Array, "n_local *chain"],
    n_samples: int,
    burn_in: int,
) -> Iterator[tuple[Num[Array, "n_local per_chain *configuration"], SamplerInfo]]:
    """`n_samples`, rounded up to whole steps of the sampler, of the chains with these global numbers, step by step.

    The chains start at `x` and are burnt in for `burn_in` sweeps. A long pass says in the log how far it is.
    """
    total, last_line = n_steps(sampler, n_samples), time.monotonic()
    for step in range(total):
        extra = jnp.asarray(burn_in if step == 0 else 0)
        samples, x, info = sample(sampler, ansatz, jax.random.fold_in(key, step), chains, x, extra)
        yield samples, info
        if time.monotonic() - last_line >= LOG_SECONDS:
            last_line = time.monotonic()
            logger.info("measuring: %d of %d samples", (step + 1) * sampler.n_samples, total * sampler.n_samples)


def independent_pass(
    space: Any,
    ansatz: Ansatz,
    sampler: Sampler,
    key: Key[Array, ""],
    communicator: Communicator,
    n_samples: int,
    burn_in: int,
) -> Iterator[tuple[Num[Array, "n_local per_chain *configuration"], SamplerInfo]]:
    """A `sampling_pass` of the chains of this rank, started independently."""
    share = communicator.share(sampler.n_chains)
    chains = jnp.arange(share.start, share.stop)
    x = sampler.start(space, jax.random.fold_in(key, 0), chains)
    yield from sampling_pass(sampler, ansatz, jax.random.fold_in(key, 1), chains, x, n_samples, burn_in)

"""Samples of a wave function whose parameters stay as they are."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, Num

from nqs.ansatz.base import Ansatz
from nqs.parallel import Communicator
from nqs.sampler.base import Sampler, SamplerInfo, sample

# Of a pass, between two of its lines in a log.
LOG_SECONDS = 30.0
logger = logging.getLogger("nqs")

Steps = Iterator[tuple[Num[Array, "n_local per_chain *configuration"], SamplerInfo]]


class SamplingPass(NamedTuple):
    """How |ψ|² is sampled at frozen parameters: the space, the sampler, over which ranks, and how long.

    `n_samples` of all ranks together are rounded up to whole steps of the sampler, after `burn_in` sweeps.
    `is_stopped` is collective; who takes samples asks it after each step.
    """

    space: Any
    sampler: Sampler
    communicator: Communicator
    n_samples: int
    burn_in: int
    is_stopped: Callable[[], bool] = lambda: False

    @property
    def n_steps(self) -> int:
        """Whole steps of the sampler."""
        return -(-self.n_samples // self.sampler.n_samples)

    @property
    def samples_per_chain(self) -> int:
        """What every chain gives in all steps."""
        return self.n_steps * self.sampler.samples_per_chain

    @property
    def chains(self) -> Int[Array, " n_local"]:
        """The global numbers of the chains of this rank."""
        share = self.communicator.share(self.sampler.n_chains)
        return jnp.arange(share.start, share.stop)

    def samples(self, ansatz: Ansatz, key: Key[Array, ""], what: str) -> Steps:
        """The samples of the chains of this rank, started independently, step by step."""
        x = self.sampler.start(self.space, jax.random.fold_in(key, 0), self.chains)
        return self.samples_from(x, ansatz, jax.random.fold_in(key, 1), what)

    def samples_from(self, x: Num[Array, "n_local *chain"], ansatz: Ansatz, key: Key[Array, ""], what: str) -> Steps:
        """The same of chains that start at `x`. A long pass says in the log how far it is, and what is measured."""
        total, last_line = self.n_steps * self.sampler.n_samples, time.monotonic()
        for step in range(self.n_steps):
            extra = jnp.asarray(self.burn_in if step == 0 else 0)
            samples, x, info = sample(self.sampler, ansatz, jax.random.fold_in(key, step), self.chains, x, extra)
            yield samples, info
            if what and time.monotonic() - last_line >= LOG_SECONDS:
                last_line = time.monotonic()
                logger.info("measuring %s: %d of %d samples", what, (step + 1) * self.sampler.n_samples, total)

"""The one interface of samplers.

Keys are derived, never stored: all that a chain does in a step follows from fold_in(fold_in(root, step), chain) with
its global number, so that the samples do not depend on how chains are divided over ranks.
"""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Num

from nqs.ansatz.base import Ansatz


class SamplerInfo(eqx.Module):
    """What happened: proposals made and accepted, summed over the chains of this rank.

    `tallies` are further sums, which `Sampler.diagnostics` explains.
    """

    n_accepted: Float[Array, ""]
    n_proposed: Float[Array, ""]
    tallies: Float[Array, " n_tallies"] = eqx.field(default_factory=lambda: jnp.zeros(0))


Draws = tuple[Num[Array, "n_local per_chain *configuration"], Num[Array, "n_local *chain"], SamplerInfo]


class Sampler(eqx.Module):
    """`n_chains` chains (of all ranks together) that give `n_samples` configurations a step, distributed as |ψ|².

    `burn_in` is what `draw` is asked to do before the first sample of a run; `is_direct` says that the samples are
    independent, so that nothing follows from the acceptance.

    Raises `ValueError` if the chains cannot share the samples evenly and for counts below one.
    """

    n_chains: eqx.AbstractVar[int]
    n_samples: eqx.AbstractVar[int]
    burn_in: eqx.AbstractVar[int]
    is_direct: ClassVar[bool]

    def __check_init__(self):
        if min(self.n_chains, self.n_samples) < 1:
            raise ValueError("n_chains and n_samples must be at least 1")
        if self.n_samples % self.n_chains:
            raise ValueError(f"n_samples = {self.n_samples} must be a multiple of n_chains = {self.n_chains}")

    @property
    def samples_per_chain(self) -> int:
        """The samples that each chain gives in a step."""
        return self.n_samples // self.n_chains

    @abc.abstractmethod
    def description(self) -> str:
        """How it samples, for the header of a run."""

    @abc.abstractmethod
    def error(self, ansatz: Ansatz, space: Any) -> str | None:
        """Why it cannot sample this ansatz on this space, naming the key of a run file; None if it can."""

    @abc.abstractmethod
    def draw(
        self,
        ansatz: Ansatz,
        step_key: Key[Array, ""],
        chains: Int[Array, " n_local"],
        x: Num[Array, "n_local *chain"],
        extra_sweeps: Int[Array, ""],
    ) -> Draws:
        """What `sample` gives."""

    def start(self, space: Any, key: Key[Array, ""], chains: Int[Array, " n_local"]) -> Num[Array, "n_local *chain"]:
        """The state of the chains with these global numbers before the first step: a configuration each."""
        return start_chains(space, key, chains)

    def diagnostics(self, tallies: Float[np.ndarray, " n_tallies"]) -> dict[str, Any]:
        """What the tallies of all ranks say, by the names of `nqs.results.DIAGNOSTICS`."""
        return {}


@eqx.filter_jit
def start_chains(
    space: Any, key: Key[Array, ""], chains: Int[Array, " n_local"]
) -> Num[Array, "n_local *configuration"]:
    """Independent, randomly drawn configurations for the chains with these global numbers."""
    return jax.vmap(lambda chain: space.random(jax.random.fold_in(key, chain)))(chains)


@eqx.filter_jit
def sample(
    sampler: Sampler,
    ansatz: Ansatz,
    step_key: Key[Array, ""],
    chains: Int[Array, " n_local"],
    x: Num[Array, "n_local *chain"],
    extra_sweeps: Int[Array, ""],
) -> Draws:
    """The samples of one step, the state the chains end in (mostly the last samples), and what happened.

    `step_key` is fold_in(root, step), `chains` the global numbers of the chains, `extra_sweeps` are done before the
    first sample.
    """
    return ansatz.accelerated(lambda fast: sampler.draw(fast, step_key, chains, x, extra_sweeps))

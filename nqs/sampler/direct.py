"""Direct sampling of normalised wave functions."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from hamiltonians.space import Spins
from nqs.ansatz.autoregressive import Autoregressive
from nqs.ansatz.base import Ansatz
from nqs.sampler.base import Sampler, SamplerInfo


class Direct(Sampler):
    """Independent, exact samples of |ψ|² of an autoregressive ψ, drawn site by site; no sweeps and no burn-in.

    A chain is a stream of random numbers: sample s of chain c in a step has the key
    fold_in(fold_in(fold_in(root, step), c), s). Every sample counts as a proposal that is accepted.
    """

    n_chains: int = eqx.field(static=True, default=128)
    n_samples: int = eqx.field(static=True, default=1024)
    burn_in: int = eqx.field(static=True, default=0, init=False)
    is_direct: ClassVar[bool] = True

    def description(self) -> str:
        return "direct sampling"

    def error(self, ansatz: Ansatz, space: Spins) -> str | None:
        if not isinstance(ansatz, Autoregressive):
            name = type(ansatz).__name__
            return f'kind: direct sampling needs an autoregressive ansatz alone; {name} takes "metropolis"'
        if ansatz.space != space:
            return f"kind: direct sampling gives configurations of {ansatz.space}, not of {space}"
        return None

    def draw(self, ansatz: Ansatz, step_key, chains, x, extra_sweeps):
        if not isinstance(ansatz, Autoregressive):
            raise TypeError(f"{type(ansatz).__name__} cannot be sampled directly")

        def of_chain(chain):
            key = jax.random.fold_in(step_key, chain)
            keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.arange(self.samples_per_chain))
            return jax.vmap(ansatz.sample)(keys)

        samples = jax.vmap(of_chain)(chains)
        n_drawn = jnp.asarray(float(samples.shape[0] * samples.shape[1]))
        return samples, samples[:, -1], SamplerInfo(n_drawn, n_drawn)

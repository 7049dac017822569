"""Parallel tempering: replicas of every chain at powers of |ψ|², which swap places."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int8, Key

from hamiltonians.space import Spins
from nqs.ansatz.base import Ansatz
from nqs.sampler.base import Sampler, SamplerInfo, start_chains
from nqs.sampler.metropolis import SHARED, Metropolis, sweep


class Tempering(Sampler):
    """A ladder of `n_replicas` replicas in the place of each chain of `metropolis`, replica r at |ψ|^{2β_r}.

    β_r falls linearly from 1 to `beta_min`. A sweep of every replica is followed by attempts to swap neighbours: the
    pairs (0, 1), (2, 3), … and then (1, 2), (3, 4), …, each with probability
    min(1, |ψ(x_{r+1})/ψ(x_r)|^{2(β_r − β_{r+1})}). Samples are those at β = 1, to which the acceptance belongs as well
    (K. Hukushima and K. Nemoto, J. Phys. Soc. Jpn. 65, 1604, 1996).

    A chain is an array (n_replicas, n_sites + 1): the configurations at β_0, β_1, …, each with the end of the ladder
    that it saw last, 1 for β = 1, −1 for `beta_min` after β = 1, 0 before. A round trip leads from β = 1 to `beta_min`
    and back.

    Raises `ValueError` for fewer than two replicas and a `beta_min` that is not between 0 and 1.
    """

    metropolis: Metropolis
    n_replicas: int = eqx.field(static=True)
    beta_min: float = eqx.field(static=True)
    n_chains: int = eqx.field(static=True)
    n_samples: int = eqx.field(static=True)
    burn_in: int = eqx.field(static=True)
    is_direct: ClassVar[bool] = False

    def __init__(self, metropolis: Metropolis, n_replicas: int = 8, beta_min: float = 0.1):
        if n_replicas < 2:
            raise ValueError(f"n_replicas = {n_replicas}: a ladder needs at least 2")
        if not 0 < beta_min < 1:
            raise ValueError(f"beta_min = {beta_min:g}: must lie between 0 and 1")
        self.metropolis, self.n_replicas, self.beta_min = metropolis, n_replicas, beta_min
        self.n_chains, self.n_samples, self.burn_in = metropolis.n_chains, metropolis.n_samples, metropolis.burn_in

    @property
    def betas(self) -> Float[np.ndarray, " n_replicas"]:
        """β of each replica."""
        return np.linspace(1, self.beta_min, self.n_replicas)

    def description(self) -> str:
        ladder = f"{self.n_replicas} replicas from beta = 1 to {self.beta_min:g}"
        return f"{self.metropolis.description()}, {ladder}"

    def error(self, ansatz: Ansatz, space: Spins) -> str | None:
        return self.metropolis.error(ansatz, space)

    def start(
        self, space: Spins, key: Key[Array, ""], chains: Int[Array, " n_local"]
    ) -> Int8[Array, "n_local n_replicas n_sites_plus_one"]:
        keys = jax.vmap(lambda chain: jax.random.fold_in(key, chain))(chains)
        x = jax.vmap(lambda k: start_chains(space, k, jnp.arange(self.n_replicas)))(keys)
        ends = jnp.zeros((len(chains), self.n_replicas, 1), jnp.int8).at[:, 0].set(1)
        return jnp.concatenate([x, ends], axis=-1)

    def draw(self, ansatz: Ansatz, step_key, chains, x, extra_sweeps):
        n, levels = self.n_replicas, jnp.arange(self.n_replicas)
        shared_key, betas = jax.random.fold_in(step_key, SHARED), jnp.asarray(self.betas)
        chain_keys = jax.vmap(lambda chain: jax.random.fold_in(step_key, chain))(chains)
        keys = jax.vmap(lambda r: jax.vmap(lambda key: jax.random.fold_in(key, r))(chain_keys))(levels)
        swap_keys = jax.vmap(lambda key: jax.random.fold_in(key, n))(chain_keys)
        zeros = SamplerInfo(jnp.zeros(()), jnp.zeros(()))

        def one_sweep(index, state):
            x, ends, info = state

            def of_level(beta, keys, x):
                return sweep(self.metropolis, ansatz, shared_key, keys, index, (x, zeros), beta)

            x, made = jax.vmap(of_level)(betas, keys, x)
            log_psi = jnp.real(jax.vmap(jax.vmap(ansatz))(x)).astype(float)
            order, swapped = swaps(swap_keys, index, betas, log_psi)
            x, ends = _ordered(x, order), _ordered(ends, order)
            ends = ends.at[n - 1].set(jnp.where(ends[n - 1] == 1, -1, ends[n - 1]).astype(jnp.int8))
            tallies = jnp.concatenate([swapped, jnp.array([ends.shape[1], jnp.sum(ends[0] == -1)], float)])
            ends = ends.at[0].set(1)
            one = SamplerInfo(made.n_accepted[0], made.n_proposed[0], tallies)
            return x, ends, jax.tree.map(jnp.add, info, one)

        def one_sample(state, index):
            sweeps = self.metropolis.sweeps
            first = index * sweeps + jnp.where(index == 0, 0, extra_sweeps)
            state = jax.lax.fori_loop(first, (index + 1) * sweeps + extra_sweeps, one_sweep, state)
            return state, state[0][0]

        by_level = jnp.swapaxes(x, 0, 1)
        x, ends = by_level[..., :-1], by_level[..., -1]
        info = SamplerInfo(zeros.n_accepted, zeros.n_proposed, jnp.zeros(n + 1))
        (x, ends, info), samples = jax.lax.scan(one_sample, (x, ends, info), jnp.arange(self.samples_per_chain))
        last = jnp.swapaxes(jnp.concatenate([x, ends[..., None]], axis=-1), 0, 1)
        return jnp.swapaxes(samples, 0, 1), last, info

    def diagnostics(self, tallies: Float[np.ndarray, " n_tallies"]) -> dict[str, Any]:
        """`swap_acceptance` of each pair of neighbours from β = 1 on, and `round_trips` of all chains together."""
        return {"swap_acceptance": tallies[:-2] / tallies[-2], "round_trips": float(tallies[-1])}


def swaps(
    keys: Key[Array, " n_chains"],
    index: Int[Array, ""],
    betas: Float[Array, " n_replicas"],
    log_psi: Float[Array, "n_replicas n_chains"],
) -> tuple[Int[Array, "n_replicas n_chains"], Float[Array, " n_pairs"]]:
    """Which replica comes to each level after the even and then the odd swaps, and the swaps made of each pair."""
    n = len(betas)

    def of_chain(key, log_psi):
        log_uniform = jnp.log1p(-jax.random.uniform(jax.random.fold_in(key, index), (n - 1,)))
        order, accepted = jnp.arange(n), jnp.zeros(n - 1, bool)
        for parity in (0, 1):
            lower = np.arange(parity, n - 1, 2)
            now = log_psi[order]
            accept = log_uniform[lower] < 2 * (betas[lower] - betas[lower + 1]) * (now[lower + 1] - now[lower])
            accepted = accepted.at[lower].set(accept)
            new = jnp.where(accept, order[lower + 1], order[lower])
            other = jnp.where(accept, order[lower], order[lower + 1])
            order = order.at[lower].set(new).at[lower + 1].set(other)
        return order, accepted

    order, accepted = jax.vmap(of_chain, in_axes=(0, 1), out_axes=(1, 0))(keys, log_psi)
    return order, jnp.sum(accepted, axis=0, dtype=float)


def _ordered(leaf: Array, order: Int[Array, "n_replicas n_chains"]) -> Array:
    return jnp.take_along_axis(leaf, order.reshape(*order.shape, *[1] * (leaf.ndim - 2)), axis=0)

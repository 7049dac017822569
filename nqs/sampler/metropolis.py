"""Metropolis sampling of |ψ|² with many chains."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int8

from hamiltonians.space import Spins
from nqs.ansatz.base import Ansatz
from nqs.sampler.base import Sampler, SamplerInfo
from nqs.sampler.move_rules import move_error
from nqs.sampler.moves import Move

# The chain number whose key belongs to all chains together.
SHARED = 2**32 - 1
# Bytes of caches that stay in a processor's own cache from one proposal to the next.
NEAR = 2**19


class Metropolis(Sampler):
    """`n_chains` Markov chains (of all ranks together) that give `n_samples` configurations a step.

    Between two samples of a chain lie `sweeps` sweeps; before its first sample ever, `burn_in` more. A sweep is N or
    N + 1 proposals by the toss of a coin: with an even number of proposals that are nearly always accepted the parity
    ∏ x would never change. Each proposal takes one of `moves` with probability proportional to its weight, and is
    accepted with probability min(1, |ψ(x′)/ψ(x)|²). Which move it is and where it acts is drawn for all chains
    together, whether it is accepted for each alone: chains in equilibrium that started independently stay
    uncorrelated, since given the proposals each is a Markov chain of its own.

    Raises `ValueError` for a weight that is not positive and for counts below one as well.
    """

    moves: tuple[Move, ...]
    weights: tuple[float, ...] = eqx.field(static=True)
    n_chains: int = eqx.field(static=True)
    n_samples: int = eqx.field(static=True)
    sweeps: int = eqx.field(static=True)
    burn_in: int = eqx.field(static=True)
    is_direct: ClassVar[bool] = False

    def __init__(
        self,
        moves: Move | tuple[Move, ...],
        n_chains: int = 128,
        n_samples: int = 1024,
        sweeps: int = 1,
        burn_in: int = 50,
        weights: tuple[float, ...] | None = None,
    ):
        self.moves = moves if isinstance(moves, tuple) else (moves,)
        self.weights = weights if weights is not None else (1.0,) * len(self.moves)
        self.n_chains, self.n_samples, self.sweeps, self.burn_in = n_chains, n_samples, sweeps, burn_in
        if len(self.weights) != len(self.moves) or min(self.weights, default=0) <= 0:
            raise ValueError(f"each of the {len(self.moves)} moves needs a positive weight, not {self.weights}")
        if sweeps < 1 or burn_in < 0:
            raise ValueError("sweeps must be at least 1 and burn_in at least 0")

    def description(self) -> str:
        return " + ".join(move.name for move in self.moves) + " moves"

    def error(self, ansatz: Ansatz, space: Spins) -> str | None:
        reason = move_error({move.name for move in self.moves}, space.total_sz)
        return None if reason is None else f"move: {reason}"

    def draw(self, ansatz: Ansatz, step_key, chains, x, extra_sweeps):
        """A few chains at a time, where the caches of all would have to come from memory at each proposal."""
        keys = jax.vmap(lambda chain: jax.random.fold_in(step_key, chain))(chains)
        shared_key = jax.random.fold_in(step_key, SHARED)
        zero = jnp.zeros(())

        def of_block(keys, x):
            def one_sweep(index, state):
                return sweep(self, ansatz, shared_key, keys, index, state)

            def one_sample(state, index):
                first = index * self.sweeps + jnp.where(index == 0, 0, extra_sweeps)
                last = (index + 1) * self.sweeps + extra_sweeps
                state = jax.lax.fori_loop(first, last, one_sweep, state)
                return state, state[0]

            (x, info), samples = jax.lax.scan(
                one_sample, (x, SamplerInfo(zero, zero)), jnp.arange(self.samples_per_chain)
            )
            return jnp.swapaxes(samples, 0, 1), x, info

        n_blocks = _n_blocks(ansatz, x)
        if n_blocks == 1:
            return of_block(keys, x)
        blocks = keys.reshape(n_blocks, -1), x.reshape(n_blocks, -1, *x.shape[1:])
        samples, x, info = jax.lax.map(lambda block: of_block(*block), blocks)
        return jnp.concatenate(samples), jnp.concatenate(x), jax.tree.map(lambda counts: jnp.sum(counts, axis=0), info)


def _n_blocks(ansatz: Ansatz, x: Int8[Array, "n_chains n_sites"]) -> int:
    """The fewest equal blocks of chains whose caches are near, but none of less than eight chains; one on a device."""
    if jax.default_backend() != "cpu":
        return 1
    n_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(jax.eval_shape(ansatz.start, x[0])))
    counts = [n for n in range(1, max(1, len(x) // 8) + 1) if len(x) % n == 0]
    return next((n for n in counts if len(x) // n * n_bytes <= NEAR), counts[-1])


def sweep(sampler: Metropolis, ansatz: Ansatz, shared_key, keys, index, state, beta=1.0):
    """A sweep of |ψ|^{2β}: the new `state`, which is the configurations and what happened so far.

    Caches live for a sweep: what rounding adds up to in them ends there.
    """
    x, info = state
    n_sites = x.shape[-1]
    n_proposals = n_sites + 1

    def toss(key):
        accept_key, coin_key = jax.random.split(jax.random.fold_in(key, index))
        log_uniform = jnp.log1p(-jax.random.uniform(accept_key, (n_proposals,)))
        is_made = (jnp.arange(n_proposals) < n_sites) | jax.random.bernoulli(coin_key)
        return log_uniform, is_made

    log_uniform, is_made = jax.vmap(toss, out_axes=1)(keys)
    choice_key, move_key = jax.random.split(jax.random.fold_in(shared_key, index))
    logits = jnp.log(jnp.asarray(sampler.weights))
    choices = jax.random.categorical(choice_key, logits, shape=(n_proposals,))
    draws = tuple(
        move.draw(jax.random.fold_in(move_key, number), n_proposals, n_sites)
        for number, move in enumerate(sampler.moves)
    )

    def propose_with(move, number):
        def of_chain(x, cache, draws):
            flip, changes = move.propose(draws[number], x)
            log_ratio, advanced = ansatz.moved(cache, x, flip)
            return flip.apply(x), advanced, 2 * beta * jnp.real(log_ratio), changes

        return jax.vmap(of_chain, in_axes=(0, 0, None))

    branches = [propose_with(move, number) for number, move in enumerate(sampler.moves)]

    def one_proposal(state, random):
        x, caches, info = state
        draws, log_uniform, is_made, choice = random
        proposed, advanced, log_probability, changes = jax.lax.switch(choice, branches, x, caches, draws)
        accept = (log_uniform < log_probability) & changes & is_made

        def keep(new, old):
            return jnp.where(accept.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        info = SamplerInfo(info.n_accepted + jnp.sum(accept), info.n_proposed + jnp.sum(is_made))
        return (keep(proposed, x), jax.tree.map(keep, advanced, caches), info), None

    state = (x, jax.vmap(ansatz.start)(x), info)
    (x, _, info), _ = jax.lax.scan(one_proposal, state, (draws, log_uniform, is_made, choices))
    return x, info

"""What a Metropolis step proposes. Every proposal is symmetric: x → x′ is as likely as x′ → x.

The random part of a proposal does not depend on the configuration and is drawn for a whole sweep at once
(`draw`); `propose` turns one draw and the configuration into a move.
"""

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Int8, Key

from hamiltonians.space import Flip


class Move(eqx.Module):
    """A symmetric proposal; `name` is its name in a run file."""

    name: ClassVar[str]

    @abc.abstractmethod
    def draw(self, key: Key[Array, ""], n_proposals: int, n_sites: int) -> Int[Array, " n_proposals"]:
        """The random part of `n_proposals` proposals."""

    @abc.abstractmethod
    def propose(self, draw: Int[Array, ""], x: Int8[Array, " n_sites"]) -> tuple[Flip, Bool[Array, ""]]:
        """The move, and whether it changes x at all; one that does not counts as rejected."""


class LocalFlip(Move):
    """Flips one site, drawn uniformly."""

    name: ClassVar[str] = "flip"

    def draw(self, key: Key[Array, ""], n_proposals: int, n_sites: int) -> Int[Array, " n_proposals"]:
        return jax.random.randint(key, (n_proposals,), 0, n_sites)

    def propose(self, draw: Int[Array, ""], x: Int8[Array, " n_sites"]) -> tuple[Flip, Bool[Array, ""]]:
        return Flip(draw[None]), jnp.array(True)


class Exchange(Move):
    """Swaps the two spins of a pair drawn uniformly from `pairs`, so that Σ x is conserved.

    A pair of equal spins is a null exchange, which is no acceptance. Raises `ValueError` without a pair.
    """

    pairs: Int[Array, "n_pairs 2"]
    name: ClassVar[str] = "exchange"

    def __init__(self, pairs: Int[np.ndarray, "n_pairs 2"]):
        if len(pairs) == 0:
            raise ValueError("an exchange needs a pair of sites")
        self.pairs = jnp.asarray(pairs, dtype=jnp.int32)

    def draw(self, key: Key[Array, ""], n_proposals: int, n_sites: int) -> Int[Array, " n_proposals"]:
        return jax.random.randint(key, (n_proposals,), 0, len(self.pairs))

    def propose(self, draw: Int[Array, ""], x: Int8[Array, " n_sites"]) -> tuple[Flip, Bool[Array, ""]]:
        pair = self.pairs[draw]
        return Flip(pair), x[pair[0]] != x[pair[1]]


class TwinExchange(Move):
    """Swaps the spins of one of `pairs` in each of two replicas of n spins, drawn independently; x has 2n spins.

    A pair of equal spins stays as it is.
    """

    pairs: Int[Array, "n_pairs 2"]
    name: ClassVar[str] = "twin_exchange"

    def __init__(self, pairs: Int[np.ndarray, "n_pairs 2"]):
        self.pairs = jnp.asarray(pairs, dtype=jnp.int32)

    def draw(self, key: Key[Array, ""], n_proposals: int, n_sites: int) -> Int[Array, " n_proposals"]:
        return jax.random.randint(key, (n_proposals,), 0, len(self.pairs) ** 2)

    def propose(self, draw: Int[Array, ""], x: Int8[Array, " n_sites"]) -> tuple[Flip, Bool[Array, ""]]:
        n_sites = x.shape[0]
        first, second = jnp.divmod(draw, len(self.pairs))
        twins = jnp.stack([self.pairs[first], self.pairs[second] + n_sites // 2])
        differ = x[twins[:, 0]] != x[twins[:, 1]]
        return Flip(jnp.where(differ[:, None], twins, n_sites).ravel()), jnp.any(differ)


class GlobalFlip(Move):
    """Flips every site."""

    name: ClassVar[str] = "global_flip"

    def draw(self, key: Key[Array, ""], n_proposals: int, n_sites: int) -> Int[Array, " n_proposals"]:
        return jnp.zeros((n_proposals,), jnp.int32)

    def propose(self, draw: Int[Array, ""], x: Int8[Array, " n_sites"]) -> tuple[Flip, Bool[Array, ""]]:
        return Flip(jnp.arange(x.shape[0], dtype=jnp.int32)), jnp.array(True)


def all_pairs(n_sites: int) -> Int[np.ndarray, "n_pairs 2"]:
    """Every pair of sites, for an exchange at any distance."""
    return np.stack(np.triu_indices(n_sites, 1), axis=-1)

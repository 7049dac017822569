"""What a configuration is, and how one configuration turns into another."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Int8, Key


class Flip(eqx.Module):
    """The move that reverses the spins on `sites`; several moves are stacked along leading axes.

    Moves of different widths share an array by padding `sites` with the number of sites, which flips nothing.
    No site may appear twice.
    """

    sites: Int[Array, "*moves flipped"]

    def apply(self, x: Int8[Array, " n_sites"]) -> Int8[Array, " n_sites"]:
        """The configuration after the move."""
        return x.at[self.sites].multiply(-1, mode="drop")


class Spins(eqx.Module):
    """Spin-1/2 configurations `x` with entries ±1 and shape `(n_sites,)`.

    `total_sz` = Σ x/2 restricts the space to one magnetisation; `None` leaves it free.

    Raises `ValueError` for a size below one or a magnetisation that the sites cannot have.
    """

    n_sites: int = eqx.field(static=True)
    total_sz: float | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.n_sites < 1:
            raise ValueError(f"n_sites must be at least 1, not {self.n_sites}")
        if self.total_sz is not None and not is_possible_total_sz(self.n_sites, self.total_sz):
            raise ValueError(f"{self.n_sites} spins cannot have total_sz = {self.total_sz}")

    @property
    def n_up(self) -> int | None:
        """How many spins point up, where the magnetisation is fixed."""
        return None if self.total_sz is None else round(self.n_sites / 2 + self.total_sz)

    def random(self, key: Key[Array, ""]) -> Int8[Array, " n_sites"]:
        """A configuration drawn uniformly from the space."""
        if self.n_up is None:
            return jax.random.rademacher(key, (self.n_sites,), dtype=jnp.int8)
        ordered = jnp.where(jnp.arange(self.n_sites) < self.n_up, 1, -1).astype(jnp.int8)
        return jax.random.permutation(key, ordered)


def is_possible_total_sz(n_sites: int, total_sz: float) -> bool:
    """Whether `n_sites` spins of 1/2 can add up to `total_sz`."""
    n_up = n_sites / 2 + total_sz
    return n_up == round(n_up) and 0 <= n_up <= n_sites

"""What a configuration is, and how one configuration turns into another."""

from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int8, Key


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


class Particles(eqx.Module):
    """Positions `x` of shape `(n_particles, dim)` in open space or in a periodic cell; the first `n_up` have spin up.

    The rows of `cell` are its lattice vectors, in the Hamiltonian's unit of length; None is open space, where chains
    start from a normal distribution of standard deviation `spread`. Bosons have no spin: all of them count as up.

    Raises `ValueError` for a number of particles or dimensions that cannot be, or a cell without volume.
    """

    n_up: int = eqx.field(static=True)
    n_down: int = eqx.field(static=True)
    dim: int = eqx.field(static=True)
    cell: Float[np.ndarray, "dim dim"] | None
    inverse: Float[np.ndarray, "dim dim"] | None
    near_translations: Float[np.ndarray, "images dim"] | None
    spread: float = eqx.field(static=True)
    are_bosons: bool = eqx.field(static=True)

    def __init__(
        self,
        n_up: int,
        n_down: int,
        dim: int,
        cell: np.ndarray | None = None,
        *,
        spread: float = 1.0,
        are_bosons: bool = False,
    ):
        if min(n_up, n_down) < 0 or n_up + n_down < 1:
            raise ValueError(f"n_up = {n_up} and n_down = {n_down}: at least one particle is needed")
        if are_bosons and n_down:
            raise ValueError(f"n_down = {n_down}: bosons have no spin, n_up is their number")
        if dim not in (1, 2, 3):
            raise ValueError(f"dim must be 1, 2 or 3, not {dim}")
        self.n_up, self.n_down, self.dim, self.spread, self.are_bosons = n_up, n_down, dim, spread, are_bosons
        self.cell = self.inverse = self.near_translations = None
        if cell is not None:
            self.cell = np.asarray(cell, dtype=np.float64)
            if self.cell.shape != (dim, dim) or not abs(np.linalg.det(self.cell)) > 0:
                raise ValueError(f"cell must be {dim} lattice vectors that span a volume, not {self.cell.tolist()}")
            self.inverse = np.linalg.inv(self.cell)
            self.near_translations = _near_translations(self.cell)

    @property
    def n_particles(self) -> int:
        """How many particles there are."""
        return self.n_up + self.n_down

    def displacement(self, r: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        """The shortest of the vectors that differ from r by a translation of the lattice; r itself in open space."""
        if self.cell is None or self.inverse is None or self.near_translations is None:
            return r
        r = r - jnp.round(r @ self.inverse) @ self.cell
        if len(self.near_translations) == 1:
            return r
        images = r[..., None, :] + self.near_translations
        nearest = jnp.argmin(jnp.sum(images**2, axis=-1), axis=-1)
        return r + jnp.asarray(self.near_translations)[nearest]

    def wrap(self, x: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        """The same positions inside the cell; x itself in open space."""
        if self.cell is None or self.inverse is None:
            return x
        return (x @ self.inverse % 1.0) @ self.cell

    def random(self, key: Key[Array, ""]) -> Float[Array, "n_particles dim"]:
        """Positions drawn uniformly from the cell, or in open space from the normal distribution."""
        shape = (self.n_particles, self.dim)
        if self.cell is None:
            return self.spread * jax.random.normal(key, shape)
        return jax.random.uniform(key, shape) @ self.cell


def _near_translations(cell: Float[np.ndarray, "dim dim"]) -> Float[np.ndarray, "images dim"]:
    """The translations among which the shortest image is, once the fractional coordinates are within ±1/2.

    In a cell with right angles it is there already. The vectors of any other are taken to be short (reduced).
    """
    gram = cell @ cell.T
    if np.allclose(gram, np.diag(np.diag(gram)), atol=1e-12 * np.max(gram)):
        return np.zeros((1, len(cell)))
    return np.array(list(product((0, -1, 1), repeat=len(cell))), dtype=np.float64) @ cell

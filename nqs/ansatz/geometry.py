"""Smooth functions of distances in open space and in a periodic cell."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from hamiltonians.space import Particles


class Geometry(eqx.Module):
    """The lattice vectors of a cell as constants of a wave function, which are not among its parameters.

    `length` is the edge of a particle's share of the cell, (volume/N)^(1/d). In open space `cell` is None and `length`
    the scale of the system: the width of its ground state.
    """

    cell: tuple[tuple[float, ...], ...] | None = eqx.field(static=True)
    length: float = eqx.field(static=True)

    def __init__(self, space: Particles):
        self.cell = None if space.cell is None else tuple(map(tuple, space.cell.tolist()))
        self.length = space.spread
        if space.cell is not None:
            self.length = float((abs(np.linalg.det(space.cell)) / space.n_particles) ** (1 / space.dim))

    def fractions(self, r: Inexact[Array, "*batch dim"]) -> Inexact[Array, "*batch dim"]:
        """The coordinates u of r = Σ_a u_a a_a along the lattice vectors."""
        return r @ jnp.asarray(np.linalg.inv(np.array(self.cell)), r.dtype)

    def distance(self, r: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """|r| in open space; in a cell a periodic function of r that is |r| + O(r³) at small r and smooth elsewhere.

        s² = Σ_a |a_a|² sin²(πu_a)/π² + Σ_{a≠b} a_a·a_b sin(2πu_a) sin(2πu_b)/(2π)²; in a cube of edge L that is
        (‖sin(πr/L)‖ L/π)². Not differentiable at r = 0.
        """
        return jnp.sqrt(self.squared_distance(r))

    def squared_distance(self, r: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """The square of `distance`, smooth everywhere."""
        if self.cell is None:
            return jnp.sum(r**2, axis=-1)
        vectors = np.array(self.cell)
        gram = vectors @ vectors.T
        u = self.fractions(r)
        squares = jnp.sin(jnp.pi * u) ** 2 @ jnp.asarray(np.diag(gram) / np.pi**2, r.dtype)
        mixed = gram - np.diag(np.diag(gram))
        if not mixed.any():
            return squares
        sines = jnp.sin(2 * jnp.pi * u)
        return squares + jnp.sum(sines @ jnp.asarray(mixed / (2 * np.pi) ** 2, r.dtype) * sines, axis=-1)

    def features(self, r: Float[Array, "*batch dim"]) -> Float[Array, "*batch features"]:
        """Bounded smooth functions that tell r: of a cell sin(2πu) and cos(2πu), else `local_features`."""
        if self.cell is None:
            return self.local_features(r)
        angles = 2 * jnp.pi * self.fractions(r)
        return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)

    def local_features(self, r: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim_plus_one"]:
        """(v, ℓ)/√(ℓ² + s²) with the `displacement` v and the `distance` s: they resolve ℓ in cells of any size."""
        scale = jax.lax.rsqrt(self.length**2 + self.squared_distance(r)[..., None])
        return jnp.concatenate([self.displacement(r) * scale, self.length * scale], axis=-1)

    def displacement(self, r: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        """r, or a smooth odd function of a cell that is r + O(r³): Σ_a sin(2πu_a) a_a/2π."""
        if self.cell is None:
            return r
        sines = jnp.sin(2 * jnp.pi * self.fractions(r)) / (2 * jnp.pi)
        return sines @ jnp.asarray(np.array(self.cell), r.dtype)

    def vector(self, r: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        """A bounded smooth odd function that is r + O(r³): `displacement` in a cell, else r ℓ/√(ℓ² + r²)."""
        if self.cell is not None:
            return self.displacement(r)
        return r * self.length * jax.lax.rsqrt(self.length**2 + jnp.sum(r**2, axis=-1, keepdims=True))

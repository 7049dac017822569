"""Feed-forward backflow and Jastrow factor of pairs."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Key

from nqs.ansatz.base import Ansatz
from nqs.ansatz.geometry import Geometry
from nqs.ansatz.pair_features import others, pair_features, weights
from nqs.ansatz.slater import Slater


class Backflow(Ansatz):
    """Determinants at x_i + Σ_{j≠i} η_ij v(x_i − x_j), times exp Σ_{i≠j} J_ij.

    η and J are the outputs of a network with one hidden layer of `width` silu units on the `local_features` of a pair,
    with whether its spins are equal; v is a bounded `vector` along the displacement. They begin at zero: the first ψ is
    the determinant. All of it is smooth where particles meet, so that a `PairJastrow` keeps the cusps exact.
    """

    slater: Slater
    embedding: Float[Array, "features width"]
    bias: Float[Array, " width"]
    readout: Float[Array, "width 2"]
    geometry: Geometry
    n_up: int = eqx.field(static=True)

    def __init__(
        self,
        slater: Slater,
        geometry: Geometry,
        n_up: int,
        dim: int,
        width: int = 16,
        *,
        key: Key[Array, ""],
        dtype: str = "float64",
    ):
        self.slater, self.geometry, self.n_up = slater, geometry, n_up
        self.embedding = weights(key, dim + 2, width, dtype)
        self.bias = jnp.zeros(width, dtype)
        self.readout = jnp.zeros((width, 2), dtype)

    def __call__(self, x: Float[Array, "n_particles dim"]) -> Inexact[Array, ""]:
        x = x.astype(self.bias.dtype)
        hidden = jax.nn.silu(pair_features(self.geometry.local_features, self.n_up, x) @ self.embedding + self.bias)
        outputs = hidden @ self.readout * others(len(x), x.dtype)
        shifts = jnp.sum(outputs[..., :1] * self.geometry.vector(x[:, None] - x), axis=1)
        return self.slater.of(x + shifts) + jnp.sum(outputs[..., 1])

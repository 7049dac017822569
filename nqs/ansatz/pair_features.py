"""What networks on particles see of each pair."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from nqs.ansatz.geometry import Geometry


def pair_features(
    geometry: Geometry, n_up: int, x: Float[Array, "n_particles dim"]
) -> Float[Array, "n_particles n_particles features"]:
    """The `features` of x_i − x_j and a 1 for equal spins, −1 for others; smooth, and as periodic as the geometry."""
    is_up = np.arange(len(x)) < n_up
    spins = jnp.asarray(np.where(is_up[:, None] == is_up, 1.0, -1.0), x.dtype)
    return jnp.concatenate([geometry.features(x[:, None] - x), spins[..., None]], axis=-1)


def n_features(geometry: Geometry, dim: int) -> int:
    """How many features a pair has."""
    return (dim + 1 if geometry.cell is None else 2 * dim) + 1


def others(n_particles: int, dtype) -> Float[Array, "n_particles n_particles 1"]:
    """1 for two particles, 0 for a particle with itself."""
    return jnp.asarray(1 - np.eye(n_particles)[..., None], dtype)


def weights(key: Key[Array, ""], n_in: int, n_out: int, dtype: str) -> Float[Array, "n_in n_out"]:
    """Weights of a layer from N(0, 1/n_in)."""
    return jax.random.normal(key, (n_in, n_out), dtype) / n_in**0.5

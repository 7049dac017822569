"""What networks on particles see of each pair."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key


def pair_features(
    features: Callable[[Array], Array], n_up: int, x: Float[Array, "n_particles dim"]
) -> Float[Array, "n_particles n_particles features"]:
    """`features` of x_i − x_j, of a geometry, and a 1 for equal spins, −1 for others."""
    is_up = np.arange(len(x)) < n_up
    spins = jnp.asarray(np.where(is_up[:, None] == is_up, 1.0, -1.0), x.dtype)
    return jnp.concatenate([features(x[:, None] - x), spins[..., None]], axis=-1)


def others(n_particles: int, dtype) -> Float[Array, "n_particles n_particles 1"]:
    """1 for two particles, 0 for a particle with itself."""
    return jnp.asarray(1 - np.eye(n_particles)[..., None], dtype)


def weights(key: Key[Array, ""], n_in: int, n_out: int, dtype: str) -> Float[Array, "n_in n_out"]:
    """Weights of a layer from N(0, 1/n_in)."""
    return jax.random.normal(key, (n_in, n_out), dtype) / n_in**0.5

"""Many configurations, some at a time."""

import jax.numpy as jnp
from jaxtyping import Array, Num


def chunks(x: Num[Array, "n *configuration"], chunk_size: int) -> Num[Array, "chunks chunk *configuration"]:
    """Chunks of one size; the last is filled up with copies of the last configuration."""
    size = min(chunk_size, len(x))
    missing = -len(x) % size
    return jnp.concatenate([x, jnp.repeat(x[-1:], missing, axis=0)]).reshape(-1, size, *x.shape[1:])

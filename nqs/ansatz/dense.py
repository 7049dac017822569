"""What a dense layer on spins needs: its output after a move, and its input."""

import jax.numpy as jnp
from jaxtyping import Array, Inexact, Int8, Num

from hamiltonians.space import Flip


def with_one(a: Num[Array, " n"]) -> Num[Array, " n_plus_one"]:
    """The input of a layer, with a 1 for the bias."""
    return jnp.append(a, jnp.ones((), a.dtype))


def advance_linear(
    z: Inexact[Array, " n_out"],
    weights: Inexact[Array, "n_sites n_out"],
    x: Int8[Array, " n_sites"],
    move: Flip,
) -> Inexact[Array, " n_out"]:
    """z = xW + b after a flip of x: z − 2 Σ_{i ∈ sites} x_i W_i."""
    rows = weights.at[move.sites].get(mode="fill", fill_value=0)
    return z - 2 * (flipped_spins(x, move).astype(weights.dtype) @ rows)


def flipped_spins(x: Int8[Array, " n_sites"], move: Flip) -> Int8[Array, "*moves flipped"]:
    """x on the flipped sites, 0 on the padding."""
    return x.at[move.sites].get(mode="fill", fill_value=0)

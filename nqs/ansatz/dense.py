"""What a dense layer on spins needs: its output after a move, and its input."""

from collections.abc import Callable

import jax
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
    return z - 2 * spins_times(flipped_spins(x, move), rows)


def spins_times(spins: Int8[Array, " n"], weights: Inexact[Array, "n n_out"]) -> Inexact[Array, " n_out"]:
    """Σ_i s_i W_i."""
    return by_parts(lambda part: spins.astype(part.dtype) @ part, weights)


def by_parts(real_map: Callable[[Array], Array], values: Inexact[Array, "*shape"]) -> Inexact[Array, "..."]:
    """A linear map with real coefficients; of complex numbers the parts apart, which takes half of the operations."""
    if jnp.iscomplexobj(values):
        return jax.lax.complex(real_map(values.real), real_map(values.imag))
    return real_map(values)


def flipped_spins(x: Int8[Array, " n_sites"], move: Flip) -> Int8[Array, "*moves flipped"]:
    """x on the flipped sites, 0 on the padding."""
    return x.at[move.sites].get(mode="fill", fill_value=0)

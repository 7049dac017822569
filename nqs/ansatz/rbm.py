"""The restricted Boltzmann machine."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact, Int8, Key

from hamiltonians.space import Flip
from nqs.ansatz.base import Ansatz


class RBM(Ansatz):
    """log ψ(x) = Σ_i a_i x_i + Σ_j log cosh(b_j + Σ_i x_i W_ij), real or complex.

    Shapes: a `(n_sites,)`, or absent; b `(n_hidden,)`; W `(n_sites, n_hidden)` with n_hidden = alpha · n_sites.
    The hidden units are summed out of exp(Σ a x + Σ b h + Σ x W h), h = ±1 (G. Carleo and M. Troyer,
    Science 355, 602, 2017, eq. 2); the constant factor 2^n_hidden is left out.

    The cache is θ = b + xW and Σ log cosh θ: a flip costs O(n_hidden).
    """

    weights: Inexact[Array, "n_sites n_hidden"]
    hidden_bias: Inexact[Array, " n_hidden"]
    visible_bias: Inexact[Array, " n_sites"] | None

    def __init__(
        self,
        n_sites: int,
        alpha: float = 1,
        *,
        key: Key[Array, ""],
        visible_bias: bool = False,
        dtype: str = "float64",
        stddev: float = 0.01,
    ):
        """Parameters are drawn from N(0, stddev²); `dtype` complex makes real and imaginary parts of that variance.

        Raises `ValueError` if no hidden unit is left.
        """
        n_hidden = round(alpha * n_sites)
        if n_hidden < 1:
            raise ValueError(f"alpha = {alpha:g} leaves no hidden unit for {n_sites} sites")
        keys = jax.random.split(key, 3)

        def draw(k, shape):
            if not jnp.issubdtype(dtype, jnp.complexfloating):
                return stddev * jax.random.normal(k, shape, dtype)
            return stddev * jnp.sqrt(2.0).astype(dtype) * jax.random.normal(k, shape, dtype)

        self.weights = draw(keys[0], (n_sites, n_hidden))
        self.hidden_bias = draw(keys[1], (n_hidden,))
        self.visible_bias = draw(keys[2], (n_sites,)) if visible_bias else None

    def __call__(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        total = self.start(x)[1]
        return total if self.visible_bias is None else total + x @ self.visible_bias

    def start(self, x: Int8[Array, " n_sites"]) -> tuple[Inexact[Array, " n_hidden"], Inexact[Array, ""]]:
        theta = x.astype(self.weights.dtype) @ self.weights + self.hidden_bias
        return theta, jnp.sum(log_cosh(theta))

    def log_ratio(self, cache, x: Int8[Array, " n_sites"], move: Flip) -> Inexact[Array, ""]:
        ratio = self.advance(cache, x, move)[1] - cache[1]
        if self.visible_bias is None:
            return ratio
        return ratio - 2 * (flipped_spins(x, move) @ self.visible_bias.at[move.sites].get(mode="fill", fill_value=0))

    def advance(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        theta = advance_linear(cache[0], self.weights, x, move)
        return theta, jnp.sum(log_cosh(theta))

    def zero_taps(self) -> tuple[Inexact[Array, "..."], ...]:
        taps = (jnp.zeros_like(self.hidden_bias),)
        return taps if self.visible_bias is None else (*taps, jnp.zeros(1, self.visible_bias.dtype))

    def with_taps(self, x: Int8[Array, " n_sites"], taps):
        spins = x.astype(self.weights.dtype)
        hidden = jnp.sum(log_cosh(self.start(x)[0] + taps[0]))
        if self.visible_bias is None:
            return hidden, (with_one(spins),)
        return hidden + spins @ self.visible_bias + taps[1][0], (with_one(spins), spins)


def rbm_of(weights, hidden_bias, visible_bias=None) -> RBM:
    """The machine with these parameters."""
    machine = RBM(1, key=jax.random.key(0), visible_bias=visible_bias is not None)
    values = (weights, hidden_bias) if visible_bias is None else (weights, hidden_bias, visible_bias)
    return eqx.tree_at(lambda m: (m.weights, m.hidden_bias, m.visible_bias)[: len(values)], machine, values)


def with_one(a: Inexact[Array, " n"]) -> Inexact[Array, " n_plus_one"]:
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


def flipped_spins(x: Int8[Array, " n_sites"], move: Flip) -> Int8[Array, " flipped"]:
    """x on the flipped sites, 0 on the padding."""
    return x.at[move.sites].get(mode="fill", fill_value=0)


def log_cosh(z: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
    """log cosh z without overflow, for real and complex z (on the branch that is continuous in Re z)."""
    folded = jnp.where(jnp.real(z) < 0, -z, z)
    return folded + jnp.log1p(jnp.exp(-2 * folded)) - jnp.log(2.0).astype(jnp.real(z).dtype)

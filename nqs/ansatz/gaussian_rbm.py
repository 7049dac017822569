"""The Gaussian-binary restricted Boltzmann machine."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from nqs.ansatz.base import Ansatz


class GaussianRBM(Ansatz):
    """ψ = exp(−Σ_i (X_i − a_i)²/2σ²) ∏_j (1 + exp(b_j + Σ_i X_i W_ij/σ²)) of the coordinates X of all particles.

    The hidden units h = 0, 1 are summed out; ψ is the marginal itself and not its root (M. Hjorth-Jensen's lectures;
    E. Nordhagen, thesis, Oslo 2019). Shapes: a `(n_particles · dim,)`, b `(n_hidden,)`, W `(n_particles · dim,
    n_hidden)`. σ = exp(`log_sigma`) · `sigma` is learned, or fixed where `log_sigma` is None.

    Raises `ValueError` without a hidden unit.
    """

    weights: Float[Array, "n_coordinates n_hidden"]
    hidden_bias: Float[Array, " n_hidden"]
    visible_bias: Float[Array, " n_coordinates"]
    log_sigma: Float[Array, ""] | None
    sigma: float = eqx.field(static=True)

    def __init__(
        self,
        n_coordinates: int,
        n_hidden: int,
        sigma: float,
        *,
        key: Key[Array, ""],
        learn_sigma: bool = False,
        stddev: float = 0.01,
        dtype: str = "float64",
    ):
        if n_hidden < 1:
            raise ValueError(f"n_hidden must be at least 1, not {n_hidden}")
        keys = jax.random.split(key, 3)
        self.weights = stddev * jax.random.normal(keys[0], (n_coordinates, n_hidden), dtype)
        self.hidden_bias = stddev * jax.random.normal(keys[1], (n_hidden,), dtype)
        self.visible_bias = stddev * jax.random.normal(keys[2], (n_coordinates,), dtype)
        self.log_sigma = jnp.zeros((), dtype) if learn_sigma else None
        self.sigma = sigma

    def __call__(self, x: Float[Array, "n_particles dim"]) -> Float[Array, ""]:
        positions = x.astype(self.weights.dtype).ravel()
        variance = self.sigma**2 * (1.0 if self.log_sigma is None else jnp.exp(2 * self.log_sigma))
        hidden = self.hidden_bias + positions @ self.weights / variance
        gaussian = -jnp.sum((positions - self.visible_bias) ** 2) / (2 * variance)
        return gaussian + jnp.sum(jnp.logaddexp(hidden, 0.0))

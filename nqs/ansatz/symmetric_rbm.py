"""The restricted Boltzmann machine with weights tied by a symmetry."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact, Int, Int8, Key

from nqs.ansatz.base import Ansatz, T
from nqs.ansatz.dense import by_parts
from nqs.ansatz.log_cosh import log_cosh
from nqs.ansatz.rbm import RBM, rbm_of


class SymmetricRBM(Ansatz):
    """log ψ(x) = a Σ_i x_i + Σ_f Σ_g log cosh(b_f + Σ_i W_fi x_{g(i)}), invariant under a group of permutations g.

    Shapes: W `(n_filters, n_sites)`, b `(n_filters,)`, `permutations` (n_elements, n_sites); a is a number, or absent.
    The hidden density is α = n_filters · n_elements / n_sites (G. Carleo and M. Troyer, Science 355, 602, 2017,
    supplement). Moves are those of the `RBM` of n_filters · n_elements hidden units, `untied()`.
    """

    filters: Inexact[Array, "n_filters n_sites"]
    hidden_bias: Inexact[Array, " n_filters"]
    visible_bias: Inexact[Array, ""] | None
    permutations: Int[Array, "n_elements n_sites"]
    inverses: Int[Array, "n_elements n_sites"]

    def __init__(
        self,
        permutations: Int[np.ndarray, "n_elements n_sites"],
        n_filters: int = 1,
        *,
        key: Key[Array, ""],
        visible_bias: bool = False,
        dtype: str = "float64",
        stddev: float = 0.01,
    ):
        """Parameters are drawn from N(0, stddev²), for a complex `dtype` real and imaginary parts of that variance."""
        scale = stddev * (2**0.5 if jnp.issubdtype(dtype, jnp.complexfloating) else 1)
        keys = jax.random.split(key, 3)
        self.permutations = jnp.asarray(permutations, jnp.int32)
        self.inverses = jnp.asarray(np.argsort(permutations, axis=1), jnp.int32)
        self.filters = scale * jax.random.normal(keys[0], (n_filters, permutations.shape[1]), dtype)
        self.hidden_bias = scale * jax.random.normal(keys[1], (n_filters,), dtype)
        self.visible_bias = scale * jax.random.normal(keys[2], (), dtype) if visible_bias else None

    def __call__(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        theta = _tied(self.filters, x, self.permutations, self.inverses) + self.hidden_bias[:, None]
        total = jnp.sum(log_cosh(theta))
        return total if self.visible_bias is None else total + self.visible_bias * jnp.sum(x.astype(total.dtype))

    def accelerated(self, use: Callable[[Ansatz], T]) -> T:
        return self.untied().accelerated(use)

    def symmetries(self) -> Int[np.ndarray, "n_symmetries n_sites"]:
        return np.asarray(self.permutations)

    def untied(self) -> RBM:
        """The same wave function with free weights: hidden unit (f, g) has the weight W_fi on site g(i)."""
        n_sites = self.filters.shape[1]
        weights = self.filters[:, self.inverses].reshape(-1, n_sites).T
        visible = None if self.visible_bias is None else jnp.full(n_sites, self.visible_bias)
        return rbm_of(weights, jnp.repeat(self.hidden_bias, len(self.permutations)), visible)


@jax.custom_jvp
def _tied(filters: Array, x: Array, permutations: Array, inverses: Array) -> Inexact[Array, "n_filters n_elements"]:
    """Σ_i W_fi x_{g(i)}: for many x at once a product with the untied weights, which do not depend on x."""
    return by_parts(lambda part: part[:, inverses] @ x.astype(part.dtype), filters)


@_tied.defjvp
def _tied_tangent(primals, tangents):
    """Linear in W with the coefficients x_{g(i)}: its transpose, the derivative, is a product with these."""
    _, x, permutations, _ = primals
    return _tied(*primals), by_parts(lambda part: part @ x[permutations].astype(part.dtype).T, tangents[0])

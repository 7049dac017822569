"""The two-body Jastrow factor, alone or on another wave function."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact, Int8, Key

from hamiltonians.space import Flip
from nqs.ansatz.base import Ansatz
from nqs.ansatz.dense import advance_linear, flipped_spins


class Jastrow(Ansatz):
    """log ψ(x) = Σ_{i<j} V_ij x_i x_j + Σ_i a_i x_i, real or complex.

    Shapes: V `(n_sites · (n_sites − 1)/2,)`, the upper triangle row by row; a `(n_sites,)`, or absent. Of spins 1/2 it
    is the most general two-body correlation (R. Jastrow, Phys. Rev. 98, 1479, 1955).

    The cache is the field h_i = Σ_j V_ij x_j, with V symmetric: flipping the set F changes log ψ by
    −2 Σ_{i ∈ F} x_i (h_i + a_i) + 4 Σ_{i<j ∈ F} V_ij x_i x_j.
    """

    couplings: Inexact[Array, " n_pairs"]
    visible_bias: Inexact[Array, " n_sites"] | None

    def __init__(
        self,
        n_sites: int,
        *,
        key: Key[Array, ""],
        visible_bias: bool = False,
        dtype: str = "float64",
        stddev: float = 0.01,
    ):
        """Parameters are drawn from N(0, stddev²), for a complex `dtype` real and imaginary parts of that variance."""
        scale = stddev * (2**0.5 if jnp.issubdtype(dtype, jnp.complexfloating) else 1)
        keys = jax.random.split(key)
        self.couplings = scale * jax.random.normal(keys[0], (n_sites * (n_sites - 1) // 2,), dtype)
        self.visible_bias = scale * jax.random.normal(keys[1], (n_sites,), dtype) if visible_bias else None

    def __call__(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        spins = x.astype(self.couplings.dtype)
        total = spins @ self.start(x) / 2
        return total if self.visible_bias is None else total + spins @ self.visible_bias

    def start(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, " n_sites"]:
        return self._matrix(len(x)) @ x.astype(self.couplings.dtype)

    def log_ratio(self, cache, x: Int8[Array, " n_sites"], move: Flip) -> Inexact[Array, ""]:
        spins = flipped_spins(x, move).astype(self.couplings.dtype)
        field = cache if self.visible_bias is None else cache + self.visible_bias
        block = self._matrix(len(x)).at[move.sites[:, None], move.sites].get(mode="fill", fill_value=0)
        return -2 * (spins @ field.at[move.sites].get(mode="fill", fill_value=0)) + 2 * (spins @ block @ spins)

    def advance(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        return advance_linear(cache, self._matrix(len(x)), x, move)

    def moves_are_cheap(self) -> bool:
        return True

    def _matrix(self, n_sites: int) -> Inexact[Array, "n_sites n_sites"]:
        upper = jnp.zeros((n_sites, n_sites), self.couplings.dtype).at[jnp.triu_indices(n_sites, 1)].set(self.couplings)
        return upper + upper.T

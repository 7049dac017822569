"""The restricted Boltzmann machine."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Inexact, Int8, Key

from hamiltonians.space import Flip
from nqs.ansatz.base import Ansatz
from nqs.ansatz.dense import advance_linear, flipped_spins, log_cosh, with_one

# The most sites of a move that is looked up.
WIDEST = 2


class RBM(Ansatz):
    """log ψ(x) = Σ_i a_i x_i + Σ_j log cosh(b_j + Σ_i x_i W_ij), real or complex.

    Shapes: a `(n_sites,)`, or absent; b `(n_hidden,)`; W `(n_sites, n_hidden)` with n_hidden = alpha · n_sites.
    The hidden units are summed out of exp(Σ a x + Σ b h + Σ x W h), h = ±1 (G. Carleo and M. Troyer,
    Science 355, 602, 2017, eq. 2); the constant factor 2^n_hidden is left out.

    The cache is θ = b + xW and Σ log cosh θ: a flip costs O(n_hidden); `expanded()` is a `TabulatedRBM`.
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

    def expanded(self) -> Ansatz:
        return TabulatedRBM(self)

    def zero_taps(self) -> tuple[Inexact[Array, "..."], ...]:
        taps = (jnp.zeros_like(self.hidden_bias),)
        return taps if self.visible_bias is None else (*taps, jnp.zeros(1, self.visible_bias.dtype))

    def with_taps(self, x: Int8[Array, " n_sites"], taps):
        spins = x.astype(self.weights.dtype)
        hidden = jnp.sum(log_cosh(self.start(x)[0] + taps[0]))
        if self.visible_bias is None:
            return hidden, (with_one(spins),)
        return hidden + spins @ self.visible_bias + taps[1][0], (with_one(spins), spins)


class TabulatedRBM(Ansatz):
    """The same ψ as `machine`, whose moves of one or two sites take no exponential and few logarithms.

    With E = e^{2θ}, θ = b + xW, it is log ψ = Σ_i a_i x_i + Σ_j [log(1 + E_j) − θ_j] up to a constant. Reversing the
    spins s of the sites I multiplies E_j by ∏_{i ∈ I} e^{−4 s_i W_ij}, which are in a table, and adds 2 s_i Σ_j W_ij to
    −Σ θ; the logarithm is taken of products of several 1 + E_j. E is only multiplied: its relative error grows by a
    rounding a move at any θ, while that of tanh θ and its addition theorem would grow like e^{2|θ|}.

    The cache is E and Σ log(1 + E). `is_safe` says that max_j (|b_j| + Σ_i |W_ij|) is so small that a product stays in
    the range of the precision (43 in double, 21 in single precision); otherwise the cache is θ and Σ log cosh θ.
    """

    machine: RBM
    factors: Inexact[Array, "2 n_sites_plus_one n_padded"]
    row_sums: Inexact[Array, " n_sites_plus_one"]
    is_safe: Bool[Array, ""]
    block: int = eqx.field(static=True)

    def __init__(self, machine: RBM):
        weights = machine.weights
        limits = jnp.finfo(weights.dtype)
        self.machine, self.block = machine, 8 if limits.bits == 64 else 2
        padded = jnp.pad(weights, ((0, 1), (0, -weights.shape[1] % self.block)))
        self.factors = jnp.exp(4 * jnp.stack([padded, -padded]))
        self.row_sums = jnp.sum(padded, axis=1)
        angles = jnp.abs(machine.hidden_bias) + jnp.sum(jnp.abs(weights), axis=0)
        self.is_safe = 2.05 * self.block * jnp.max(angles) < jnp.log(limits.max)

    def __call__(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        return self.machine(x)

    def start(self, x: Int8[Array, " n_sites"]):
        theta = self.machine.start(x)[0]
        return jax.lax.cond(self.is_safe, lambda t: self._of_exponentials(t), lambda t: self._of_angles(t), theta)

    def log_ratio(self, cache, x: Int8[Array, " n_sites"], move: Flip) -> Inexact[Array, ""]:
        return self.moved(cache, x, move)[0]

    def advance(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        return self.moved(cache, x, move)[1]

    def moved(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        new = jax.lax.cond(
            self.is_safe,
            lambda *of: self._look_up(*of),
            lambda *of: self._of_angles(self._turned(*of)),
            *(cache[0], x, move),
        )
        spins = flipped_spins(x, move).astype(self.row_sums.dtype)
        ratio = new[1] - cache[1] + jnp.where(self.is_safe, 2 * (spins @ self.row_sums[move.sites]), 0)
        if self.machine.visible_bias is not None:
            ratio -= 2 * (spins @ self.machine.visible_bias.at[move.sites].get(mode="fill", fill_value=0))
        return ratio, new

    def _look_up(self, exponentials, x, move):
        if move.sites.shape[0] > WIDEST:
            return self._of_exponentials(self._turned(jnp.log(exponentials) / 2, x, move))
        for site, spin in zip(move.sites, flipped_spins(x, move), strict=True):
            exponentials *= jnp.where(spin > 0, self.factors[1, site], self.factors[0, site])
        return exponentials, self._sum_of_logs(exponentials)

    def _turned(self, theta, x, move):
        return advance_linear(theta[: self.machine.weights.shape[1]], self.machine.weights, x, move)

    def _of_exponentials(self, theta):
        exponentials = self._padded(jnp.exp(2 * theta))
        return exponentials, self._sum_of_logs(exponentials)

    def _of_angles(self, theta):
        return self._padded(theta), jnp.sum(log_cosh(theta))

    def _padded(self, values):
        return jnp.pad(values, (0, self.factors.shape[-1] - values.shape[0]))

    def _sum_of_logs(self, exponentials):
        products = 1 + exponentials
        while products.shape[0] * self.block > exponentials.shape[0]:
            half = products.shape[0] // 2
            products = products[:half] * products[half:]
        return jnp.sum(jnp.log(products))


def rbm_of(weights, hidden_bias, visible_bias=None) -> RBM:
    """The machine with these parameters."""
    machine = RBM(1, key=jax.random.key(0), visible_bias=visible_bias is not None)
    values = (weights, hidden_bias) if visible_bias is None else (weights, hidden_bias, visible_bias)
    return eqx.tree_at(lambda m: (m.weights, m.hidden_bias, m.visible_bias)[: len(values)], machine, values)

"""The restricted Boltzmann machine."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Inexact, Int8, Key

from hamiltonians.space import Flip
from nqs.ansatz.base import Ansatz
from nqs.ansatz.dense import advance_linear, flipped_spins, log_cosh, with_one

# Factors that are multiplied before a logarithm, and the most sites of a move that is looked up.
BLOCK = 8
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
    """The same ψ as `machine`; a move of one or two sites costs one logarithm for every `BLOCK` hidden units.

    With p = e^θ/(2 cosh θ) and q = e^{−θ}/(2 cosh θ), where θ = b + xW, reversing the spins s of the sites I gives

        ψ(x′)/ψ(x) = e^{−2 Σ a_i s_i} ∏_j f_j,  f_j = p_j A_j + q_j / A_j,  A_j = ∏_{i ∈ I} e^{−2 s_i W_ij},

    and p′ = pA/f, q′ = q/(Af). For real weights every term is positive, so that nothing cancels: the relative error of
    p and q grows by a few roundings a move at any θ, while that of tanh θ = p − q would grow like e^{2|θ|}. Complex
    weights have zeros where terms do cancel: p and q are computed from θ after each move.

    The cache is θ, p and q. `is_safe` says that max_j (|b_j| + Σ_i |W_ij|) and max |W_ij| are so small that neither q
    nor a product of `BLOCK` factors leaves the range of the precision; otherwise, and for wider moves, log cosh is
    evaluated.
    """

    machine: RBM
    tables: Inexact[Array, "2 n_sites_plus_one n_padded"]
    is_safe: Bool[Array, ""]

    def __init__(self, machine: RBM):
        weights = machine.weights
        padded = jnp.pad(weights, ((0, 1), (0, -weights.shape[1] % BLOCK)))
        self.machine = machine
        self.tables = jnp.exp(2 * jnp.stack([padded, -padded]))
        largest = jnp.log(jnp.finfo(weights.dtype).max) / 2.2
        angles = jnp.abs(machine.hidden_bias) + jnp.sum(jnp.abs(weights), axis=0)
        steps = 2 * BLOCK * WIDEST * jnp.max(jnp.abs(weights))
        self.is_safe = (jnp.max(angles) < largest) & (steps < 2 * largest)

    def __call__(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        return self.machine(x)

    def start(self, x: Int8[Array, " n_sites"]):
        theta = self.machine.start(x)[0]
        return theta, *self._weights_of(theta)

    def log_ratio(self, cache, x: Int8[Array, " n_sites"], move: Flip) -> Inexact[Array, ""]:
        return self.moved(cache, x, move)[0]

    def advance(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        return self.moved(cache, x, move)[1]

    def moved(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        if move.sites.shape[0] > WIDEST:
            ratio, cache = self._by_log_cosh(cache, x, move)
        else:
            ratio, cache = jax.lax.cond(
                self.is_safe, lambda *of: self._by_tables(*of), lambda *of: self._by_log_cosh(*of), cache, x, move
            )
        if self.machine.visible_bias is None:
            return ratio, cache
        biases = self.machine.visible_bias.at[move.sites].get(mode="fill", fill_value=0)
        return ratio - 2 * (flipped_spins(x, move) @ biases), cache

    def _by_tables(self, cache, x, move):
        theta, p, q = cache
        growth, decay = jnp.ones_like(p), jnp.ones_like(p)
        for site, spin in zip(move.sites, flipped_spins(x, move), strict=True):
            up, down = self.tables[0, site], self.tables[1, site]
            growth, decay = growth * jnp.where(spin > 0, down, up), decay * jnp.where(spin > 0, up, down)
        p, q = p * growth, q * decay
        factors = p + q
        blocks = factors
        for _ in range(BLOCK.bit_length() - 1):
            half = blocks.shape[0] // 2
            blocks = blocks[:half] * blocks[half:]
        theta = advance_linear(theta, self.machine.weights, x, move)
        if jnp.iscomplexobj(theta):
            return jnp.sum(jnp.log(blocks)), (theta, *self._weights_of(theta))
        return jnp.sum(jnp.log(blocks)), (theta, p / factors, q / factors)

    def _by_log_cosh(self, cache, x, move):
        theta = advance_linear(cache[0], self.machine.weights, x, move)
        ratio = jnp.sum(log_cosh(theta)) - jnp.sum(log_cosh(cache[0]))
        return ratio, (theta, *self._weights_of(theta))

    def _weights_of(self, theta: Inexact[Array, " n_hidden"]) -> tuple[Array, Array]:
        """p and q without overflow; ½ for the padding."""
        padded = jnp.pad(theta, (0, self.tables.shape[-1] - theta.shape[0]))
        is_positive = jnp.real(padded) > 0
        small = jnp.exp(jnp.where(is_positive, -2 * padded, 2 * padded))
        larger = 1 / (1 + small)
        return jnp.where(is_positive, larger, small * larger), jnp.where(is_positive, small * larger, larger)


def rbm_of(weights, hidden_bias, visible_bias=None) -> RBM:
    """The machine with these parameters."""
    machine = RBM(1, key=jax.random.key(0), visible_bias=visible_bias is not None)
    values = (weights, hidden_bias) if visible_bias is None else (weights, hidden_bias, visible_bias)
    return eqx.tree_at(lambda m: (m.weights, m.hidden_bias, m.visible_bias)[: len(values)], machine, values)

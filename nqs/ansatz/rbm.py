"""The restricted Boltzmann machine."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Inexact, Int8, Key

from hamiltonians.space import Flip
from nqs.ansatz.base import Ansatz, MovingAnsatz, T
from nqs.ansatz.dense import advance_linear, flipped_spins, spins_times, with_one
from nqs.ansatz.flip_products import Parts, away_from_zeros, hidden_log_ratios, times
from nqs.ansatz.log_cosh import log_cosh

# The most sites of a move that is looked up.
WIDEST = 2
# The most products in double precision of which one logarithm is taken.
MOST_PRODUCTS = 16


class RBM(MovingAnsatz):
    """log ψ(x) = Σ_i a_i x_i + Σ_j log cosh(b_j + Σ_i x_i W_ij), real or complex.

    Shapes: a `(n_sites,)`, or absent; b `(n_hidden,)`; W `(n_sites, n_hidden)` with n_hidden = alpha · n_sites.
    The hidden units are summed out of exp(Σ a x + Σ b h + Σ x W h), h = ±1 (G. Carleo and M. Troyer,
    Science 355, 602, 2017, eq. 2); the constant factor 2^n_hidden is left out.

    The cache is θ = b + xW and Σ log cosh θ: a flip costs O(n_hidden); many moves go by the tables of `TabulatedRBM`
    where these are safe.
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
        theta = spins_times(x, self.weights) + self.hidden_bias
        return theta, jnp.sum(log_cosh(theta))

    def moved(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        theta = advance_linear(cache[0], self.weights, x, move)
        new = theta, jnp.sum(log_cosh(theta))
        ratio = new[1] - cache[1]
        if self.visible_bias is not None:
            biases = self.visible_bias.at[move.sites].get(mode="fill", fill_value=0)
            ratio -= 2 * (flipped_spins(x, move) @ biases)
        return ratio, new

    def accelerated(self, use: Callable[[Ansatz], T]) -> T:
        tables = TabulatedRBM(self)
        return jax.lax.cond(tables.is_safe, lambda: use(tables), lambda: use(self))

    def zero_taps(self) -> tuple[Inexact[Array, "..."], ...]:
        taps = (jnp.zeros_like(self.hidden_bias),)
        return taps if self.visible_bias is None else (*taps, jnp.zeros(1, self.visible_bias.dtype))

    def with_taps(self, x: Int8[Array, " n_sites"], taps):
        hidden = jnp.sum(log_cosh(self.start(x)[0] + taps[0]))
        if self.visible_bias is None:
            return hidden, (with_one(x),)
        return hidden + x @ self.visible_bias + taps[1][0], (with_one(x), x)


class TabulatedRBM(MovingAnsatz):
    """The same ψ as `machine`, whose moves of one or two sites take no exponential and few logarithms.

    With E = e^{2θ}, θ = b + xW, it is log ψ = Σ_i a_i x_i + Σ_j [log(1 + E_j) − θ_j] up to a constant. Reversing the
    spins s of the sites I multiplies E_j by ∏_{i ∈ I} e^{−4 s_i W_ij}, which are in a table, and adds 2 s_i Σ_j W_ij to
    −Σ θ. E is only multiplied: its relative error grows by a few roundings a move at any θ, that of tanh θ and its
    addition theorem like e^{2|θ|}.

    The cache is E, or its real and its imaginary part, which multiply faster than complex numbers. A ratio is that of
    products of a few 1 + E_j after and before. In real double precision the logarithm is that of several of these
    ratios together, else and for moves of more sites there is one for each. In double precision the ratios of many
    moves of one or two sites come from `hidden_log_ratios`.

    `is_safe` says that no product leaves the range of the precision: max_j (|Re b_j| + Σ_i |Re W_ij|) is below 43 in
    double and 21 in single precision, and with several ratios in a logarithm the sum of |W_ij| over its hidden units is
    below 86 at each i.
    """

    machine: RBM
    factors: tuple[Float[Array, "2 n_sites_plus_one n_padded"], ...]
    slopes: tuple[Float[Array, " n_sites_plus_one"], ...]
    sums: Inexact[Array, " n_sites_plus_one"]
    is_safe: Bool[Array, ""]
    block: int = eqx.field(static=True)
    n_logarithms: int = eqx.field(static=True)

    def __init__(self, machine: RBM):
        weights = machine.weights
        limits = jnp.finfo(weights.dtype)
        is_complex = jnp.iscomplexobj(weights)
        self.machine, self.block = machine, (8 if limits.bits == 64 else 2) // (2 if is_complex else 1)
        n_products = -(-weights.shape[1] // self.block)
        has_groups = weights.dtype == jnp.float64
        self.n_logarithms = -(-n_products // MOST_PRODUCTS) if has_groups else n_products
        padded = jnp.pad(weights, ((0, 1), (0, -weights.shape[1] % (self.block * self.n_logarithms))))
        self.factors = _parts(jnp.exp(4 * jnp.stack([padded, -padded])))
        visible = 0 if machine.visible_bias is None else jnp.pad(machine.visible_bias, (0, 1))
        self.sums = 2 * jnp.sum(padded, axis=1)
        self.slopes = _parts(self.sums - 2 * visible)
        angles = jnp.abs(machine.hidden_bias.real) + jnp.sum(jnp.abs(weights.real), axis=0)
        largest = jnp.log(limits.max) / 2.05
        self.is_safe = self.block * (2 if is_complex else 1) * jnp.max(angles) < largest
        if has_groups:
            sizes = jnp.abs(padded).reshape(len(padded), self.block, self.n_logarithms, -1)
            self.is_safe &= 2 * WIDEST * jnp.max(jnp.sum(sizes, axis=(1, 3))) < largest

    def __call__(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        return self.machine(x)

    def start(self, x: Int8[Array, " n_sites"]):
        return _parts(self._padded(jnp.exp(2 * self.machine.start(x)[0])))

    def moved(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        spins = flipped_spins(x, move)
        new = self._look_up(cache, spins, move.sites)
        products, old_products = self._products(new), self._products(cache)
        n_logarithms = self.n_logarithms if len(move.sites) <= WIDEST else len(products[0])
        changes = [
            logarithm + spins.astype(slopes.dtype) @ slopes[move.sites]
            for logarithm, slopes in zip(_logarithms(products, old_products, n_logarithms), self.slopes, strict=True)
        ]
        return jax.lax.complex(*changes) if len(changes) == 2 else changes[0], new

    def log_ratios(self, cache, x: Int8[Array, " n_sites"], moves: Flip) -> Inexact[Array, " n_moves"]:
        sites = moves.sites
        if self.machine.weights.real.dtype != jnp.float64 or sites.shape[1] > WIDEST:
            return super().log_ratios(cache, x, moves)
        spins = flipped_spins(x, moves)
        sizes = self.block, self.n_logarithms
        hidden = hidden_log_ratios(self.factors, self.sums, cache, spins, sites, *sizes)
        if self.machine.visible_bias is None:
            return hidden
        biases = self.machine.visible_bias.at[sites].get(mode="fill", fill_value=0)
        return hidden - 2 * jnp.sum(spins * biases, axis=1)

    def moves_are_cheap(self) -> bool:
        return True

    def _look_up(self, exponentials: Parts, spins, sites) -> Parts:
        if len(sites) > WIDEST:
            weights = self.machine.weights.at[sites].get(mode="fill", fill_value=0)
            return times(exponentials, _parts(self._padded(jnp.exp(-4 * spins_times(spins, weights)))))
        for site, spin in zip(sites, spins, strict=True):
            factor = tuple(jnp.where(spin > 0, part[1, site], part[0, site]) for part in self.factors)
            exponentials = times(exponentials, factor)
        return exponentials

    def _padded(self, values):
        return jnp.pad(values, (0, self.factors[0].shape[-1] - values.shape[0]))

    def _products(self, exponentials: Parts) -> Parts:
        """Of `block` numbers 1 + E each."""
        real, *imaginary = away_from_zeros(exponentials)
        return _product(tuple(part.reshape(self.block, -1) for part in (1 + real, *imaginary)))


def _parts(values: Inexact[Array, "..."]) -> Parts:
    return (values.real, values.imag) if jnp.iscomplexobj(values) else (values,)


def _product(parts: Parts) -> Parts:
    """Along the first axis."""
    one = tuple(jnp.full((), value, part.dtype) for value, part in zip((1, 0), parts, strict=False))
    return tuple(jax.lax.reduce(parts, one, times, (0,)))


def _logarithms(new: Parts, old: Parts, n_logarithms: int) -> tuple[Float[Array, ""], ...]:
    """That of the product of all new/old: of its absolute value, and the phase if they are complex."""
    if len(new) == 1:
        return (jnp.sum(jnp.log(jnp.prod((new[0] / old[0]).reshape(n_logarithms, -1), axis=1))),)
    inverse, old_inverse = (jax.lax.rsqrt(re**2 + im**2) for re, im in (new, old))
    unit, old_unit = (inverse * new[0], inverse * new[1]), (old_inverse * old[0], -old_inverse * old[1])
    phase = _product(times(unit, old_unit))
    return jnp.sum(jnp.log(old_inverse / inverse)), jnp.arctan2(phase[1], phase[0])


def rbm_of(weights, hidden_bias, visible_bias=None) -> RBM:
    """The machine with these parameters."""
    machine = RBM(1, key=jax.random.key(0), visible_bias=visible_bias is not None)
    values = (weights, hidden_bias) if visible_bias is None else (weights, hidden_bias, visible_bias)
    return eqx.tree_at(lambda m: (m.weights, m.hidden_bias, m.visible_bias)[: len(values)], machine, values)

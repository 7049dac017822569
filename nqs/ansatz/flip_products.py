"""The ratios of an RBM for many flips of one configuration, all at once."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Inexact, Int, Int8

# Numbers, or their real and their imaginary parts.
Parts = tuple[Float[Array, "..."], ...]


def hidden_log_ratios(
    factors: Parts,
    sums: Inexact[Array, " n_sites_plus_one"],
    exponentials: Parts,
    spins: Int8[Array, "n_flips width"],
    sites: Int[Array, "n_flips width"],
    block: int,
    n_groups: int,
) -> Inexact[Array, " n_flips"]:
    """Σ_j log cosh θ′_j − log cosh θ_j for flips of one or two sites, of which `spins` are 0 where a site is padding.

    `factors` are e^{4W} and e^{−4W}, `exponentials` e^{2θ}, `sums` 2 Σ_j W_ij. The last site is the padding, which
    counts as the spin of the other site. For a flip of sites i and k let w = W_i + s_i s_k W_k. With p = 1/(1 + e^{2θ})
    and q = 1 − p, cosh θ′/cosh θ is e^{2w} (p + q e^{−4w}) for s_i = 1 and e^{2w} (q + p e^{−4w}) for s_i = −1. One
    table serves both spins, the numbers of all flips lie side by side in it, and for real W nothing cancels.

    The hidden units are `block` rows of `n_groups` groups, of which no product may leave the range of the precision:
    Σ_j |w_j| over a group is below 177 for real W. After each there is a logarithm, or for complex W, whose groups are
    small, a division by a power of two. A complex result is up to a multiple of 2πi; a cosh that vanishes afterwards
    makes it large and negative.
    """
    up, change = spins[:, 0] > 0, sums[sites[:, 0]]
    table = tuple(part[1].T[:, sites[:, 0]] for part in factors)
    differ, opposite = jnp.zeros_like(up), table
    if sites.shape[1] == 2:
        differ = spins[:, 0] * spins[:, 1] < 0
        up |= (spins[:, 0] == 0) & (spins[:, 1] > 0)
        change += jnp.where(differ, -1, 1) * sums[sites[:, 1]]
        second = [tuple(part[sign].T[:, sites[:, 1]] for part in factors) for sign in (0, 1)]
        opposite, table = times(table, second[0]), times(table, second[1])
    exponentials = away_from_zeros(exponentials)
    p = _inverse((1 + exponentials[0], *exponentials[1:]))
    q = times(exponentials, p)
    n_columns = p[0].shape[0] // block

    def multiplied(column, product):
        for unit in (row * n_columns + column for row in range(block)):
            factor = _where(differ, _unit(opposite, unit), _unit(table, unit))
            one, other = _unit(p, unit), _unit(q, unit)
            term = times(_where(up, other, one), factor)
            product = times(product, tuple(map(jnp.add, _where(up, one, other), term)))
        return product

    def group(number, state):
        total, product = state
        size = n_columns // n_groups
        first = number * size
        product = jax.lax.fori_loop(0, size, lambda column, so_far: multiplied(first + column, so_far), product)
        if len(product) == 1:
            return total + jnp.log(product[0]), (jnp.ones_like(total),)
        exponent, scale = _exponents(jnp.maximum(jnp.abs(product[0]), jnp.abs(product[1])))
        return total + exponent, tuple(part * scale for part in product)

    one = (jnp.ones(len(sites)), jnp.zeros(len(sites)))[: len(factors)]
    total, phase = jax.lax.fori_loop(0, n_groups, group, (jnp.zeros(len(sites)), one))
    if len(phase) == 1:
        return change + total
    size = jnp.maximum(phase[0] ** 2 + phase[1] ** 2, jnp.finfo(float).tiny)
    return change + jax.lax.complex(jnp.log(2.0) * total + jnp.log(size) / 2, jnp.arctan2(phase[1], phase[0]))


def times(a: Parts, b: Parts) -> Parts:
    """The product of numbers by their parts."""
    if len(a) == 1:
        return (a[0] * b[0],)
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def away_from_zeros(exponentials: Parts) -> Parts:
    """E, where 1 + E is a rounding if complex numbers cancel."""
    if len(exponentials) == 1:
        return exponentials
    rounding = jnp.finfo(exponentials[0].dtype).eps
    cancels = jnp.maximum(jnp.abs(1 + exponentials[0]), jnp.abs(exponentials[1])) < rounding**2
    return jnp.where(cancels, rounding - 1, exponentials[0]), exponentials[1]


def _exponents(values: Float[Array, "*shape"]) -> tuple[Int[Array, "*shape"], Float[Array, "*shape"]]:
    """n and 2^−n with 2^n ≤ v < 2^(n + 1), from the bits of 0 ≤ v < 2^1023 in double precision; −1023 of 0."""
    exponents = (jax.lax.bitcast_convert_type(values, jnp.int64) >> 52) - 1023
    return exponents, jax.lax.bitcast_convert_type((1023 - exponents) << 52, jnp.float64)


def _inverse(values: Parts) -> Parts:
    if len(values) == 1:
        return (1 / values[0],)
    squares = values[0] ** 2 + values[1] ** 2
    return values[0] / squares, -values[1] / squares


def _unit(values: Parts, number) -> Parts:
    return tuple(part[number] for part in values)


def _where(condition: Bool[Array, " n_flips"], yes: Parts, no: Parts) -> Parts:
    return tuple(jnp.where(condition, a, b) for a, b in zip(yes, no, strict=True))

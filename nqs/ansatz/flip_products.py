"""The ratios of an RBM for many flips of one configuration, all at once."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Int8


def hidden_log_ratios(
    factors: Float[Array, "2 n_sites_plus_one n_hidden"],
    sums: Float[Array, " n_sites_plus_one"],
    exponentials: Float[Array, " n_hidden"],
    spins: Int8[Array, "n_flips width"],
    sites: Int[Array, "n_flips width"],
    block: int,
    n_groups: int,
) -> Float[Array, " n_flips"]:
    """Σ_j log cosh θ′_j − log cosh θ_j for flips of one or two sites, of which `spins` are 0 where a site is padding.

    `factors` are e^{4W} and e^{−4W}, `exponentials` e^{2θ}, `sums` 2 Σ_j W_ij. The last site is the padding, which
    counts as the spin of the other site. For a flip of sites i and k let w = W_i + s_i s_k W_k. With p = 1/(1 + e^{2θ})
    and q = 1 − p, cosh θ′/cosh θ is e^{2w} (p + q e^{−4w}) for s_i = 1 and e^{2w} (q + p e^{−4w}) for s_i = −1. So there is
    one table for both spins, in which the numbers of all flips lie side by side, and nothing cancels.

    The hidden units are `block` rows of `n_groups` groups; there is one logarithm for each group, and no product of one
    may leave the range of the precision: Σ_j |w_j| over a group is below 177 in double precision.
    """
    up, table, change = spins[:, 0] > 0, factors[1].T[:, sites[:, 0]], sums[sites[:, 0]]
    if sites.shape[1] == 2:
        differ = spins[:, 0] * spins[:, 1] < 0
        up |= (spins[:, 0] == 0) & (spins[:, 1] > 0)
        change += jnp.where(differ, -1, 1) * sums[sites[:, 1]]
        opposite, table = table * factors[0].T[:, sites[:, 1]], table * factors[1].T[:, sites[:, 1]]
    else:
        differ, opposite = jnp.zeros_like(up), table
    p = 1 / (1 + exponentials)
    q = exponentials * p

    n_columns = len(p) // block

    def multiplied(column, product):
        for unit in (row * n_columns + column for row in range(block)):
            factor = jnp.where(differ, opposite[unit], table[unit])
            product *= jnp.where(up, p[unit], q[unit]) + jnp.where(up, q[unit], p[unit]) * factor
        return product

    def group(number, total):
        size = n_columns // n_groups
        first = number * size
        one = jnp.ones_like(change)
        product = jax.lax.fori_loop(0, size, lambda column, so_far: multiplied(first + column, so_far), one)
        return total + jnp.log(product)

    return jax.lax.fori_loop(0, n_groups, group, change)

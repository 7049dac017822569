"""A factor of pairs that vanishes where hard cores overlap."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamiltonians.continuum import pairs
from nqs.ansatz.base import Ansatz


class HardCore(Ansatz):
    """ψ(x) = ∏_{i<j} (1 − a/r_ij) in open space, and 0 where a distance is below the `diameter` a.

    1 − a/r solves the problem of two spheres at zero energy (J. L. DuBois and H. R. Glyde, Phys. Rev. A 63, 023602,
    2001). There are no parameters.
    """

    diameter: float = eqx.field(static=True)

    def __call__(self, x: Float[Array, "n_particles dim"]) -> Float[Array, ""]:
        first, second = pairs(len(x))
        ratio = self.diameter / jnp.linalg.norm(x[first] - x[second], axis=-1)
        overlaps = ratio >= 1
        return jnp.where(jnp.any(overlaps), -jnp.inf, jnp.sum(jnp.log1p(-jnp.where(overlaps, 0.5, ratio))))

"""A Jastrow factor of pairs of particles with exact cusps."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hamiltonians.continuum import pairs
from nqs.ansatz.base import Ansatz
from nqs.ansatz.geometry import Geometry


class Cusps(NamedTuple):
    """∂u/∂r at r = 0 of a pair with equal spins and of one with opposite spins."""

    equal: float
    opposite: float


def coulomb_cusps(dim: int) -> Cusps:
    """Those of the repulsion 1/r with kinetic energy −∇²/2 of each particle: 1/(d + 1) and 1/(d − 1), none for d = 1.

    T. Kato, Commun. Pure Appl. Math. 10, 151 (1957); R. Pack and W. Byers Brown, J. Chem. Phys. 45, 556 (1966).
    """
    return Cusps(1 / (dim + 1), 1 / (dim - 1)) if dim > 1 else Cusps(0.0, 0.0)


class PairJastrow(Ansatz):
    """log ψ(x) = Σ_{i<j} u(s_ij) with u(s) = a q + Σ_{k=2}^K c_k (q/ℓ)^k and q = s/(1 + bs/ℓ).

    s is the `distance` of the geometry, ℓ its length, b = exp(`log_rate`), and a the cusp ∂u/∂s at s = 0, which the
    powers up to K = `n_powers` leave as it is; K = 1 is the Padé–Jastrow factor. The first row of the parameters
    belongs to pairs of equal spins, the second to the others.
    """

    log_rate: Float[Array, " kinds"]
    powers: Float[Array, "kinds n_powers_minus_one"]
    geometry: Geometry
    cusps: Cusps = eqx.field(static=True)
    n_up: int = eqx.field(static=True)

    def __init__(self, geometry: Geometry, n_up: int, cusps: Cusps, n_powers: int = 4, *, dtype: str = "float64"):
        self.geometry, self.n_up, self.cusps = geometry, n_up, cusps
        self.log_rate = jnp.zeros(2, dtype)
        self.powers = jnp.zeros((2, n_powers - 1), dtype)

    def __call__(self, x: Float[Array, "n_particles dim"]) -> Float[Array, ""]:
        first, second = pairs(len(x))
        kind = ((first < self.n_up) != (second < self.n_up)).astype(int)
        length = self.geometry.length
        s = self.geometry.distance(x[first] - x[second]).astype(self.log_rate.dtype) / length
        q = s / (1 + jnp.exp(self.log_rate)[kind] * s)
        slopes = jnp.asarray(np.array(self.cusps)[kind] * length, q.dtype)
        total = jnp.zeros_like(q)
        for coefficients in self.powers.T[::-1]:
            total = (total + coefficients[kind]) * q
        return jnp.sum((total + slopes) * q)

"""The kinetic energy of particles by the forward Laplacian."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from nqs.ansatz.base import Ansatz

# Up to this share of all coordinates folx stores only those that a number depends on: functions of pairs take a tenth.
SPARSITY = 0.6


def kinetic_energy(
    ansatz: Ansatz, x: Float[Array, "n_particles dim"], prefactor: float | Float[Array, ""]
) -> Inexact[Array, ""]:
    """−c (∇²ψ)/ψ = −c Σ [∇² log ψ + (∇ log ψ)²] with c = `prefactor`; the square is not a modulus for a complex ψ.

    Value, gradient and Laplacian go through the network together, by the rules of folx (R. Li et al., Nat. Mach.
    Intell. 6, 209, 2024), in the precision of the network; the sum is float64.
    """
    from folx import forward_laplacian

    found = forward_laplacian(ansatz.__call__, SPARSITY, disable_jit=True)(x)
    gradient, laplacian = found.jacobian.dense_array, found.laplacian
    wide = jnp.promote_types(laplacian.dtype, jnp.float64)
    return -prefactor * (laplacian.astype(wide) + jnp.sum(gradient.astype(wide) ** 2))

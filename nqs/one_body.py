"""Ratios for the one-body density matrix: of a periodic cell with the momentum distribution, and of a trap."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Key

from hamiltonians.space import Particles
from nqs.ansatz.base import Ansatz
from nqs.ansatz.slater import Slater


def moved_ratios(
    ansatz: Ansatz, space: Particles, x: Float[Array, "n_particles dim"]
) -> tuple[Float[Array, "n_particles dim"], Float[Array, "n_particles 2"]]:
    """A displacement of each particle, uniform in the cell, and ψ with it alone moved over ψ, real and imaginary part.

    With w_i the ratio for δ_i, the occupation of the plane wave k is ⟨Σ_i e^{−ik·δ_i} w_i⟩, summed over spins, and
    ⟨w_i⟩ at one δ is the density matrix ρ(r, r + δ) over the density (W. McMillan, Phys. Rev. 138, A442, 1965). The
    displacements are drawn with a key that the configuration itself is made into: they are the same on any number of
    ranks.
    """
    shifts = space.displacement(jax.random.uniform(key_of(x), x.shape) @ jnp.asarray(space.cell))
    ratios = ratios_at(ansatz, x, x + shifts)
    return shifts, jnp.stack([jnp.real(ratios), jnp.imag(ratios)], axis=1).astype(float)


def ratios_at(
    ansatz: Ansatz, x: Float[Array, "n_particles dim"], places: Float[Array, "n_particles dim"]
) -> Inexact[Array, " n_particles"]:
    """ψ with particle i alone moved to its new place over ψ, for each i."""
    signed = with_signs(ansatz)
    moved = x + jnp.eye(len(x))[:, :, None] * (places - x)
    logs = jax.vmap(signed)(jnp.concatenate([x[None], moved]))
    return jnp.exp(logs[1:] - logs[0])


def with_signs(ansatz: Ansatz) -> Ansatz:
    """The same ψ, whose log has the sign of real determinants as an imaginary part.

    It knows that of `Slater` only: a ψ of one's own, the modulus of which is given, is taken for positive.
    """

    def is_slater(part: object) -> bool:
        return type(part) is Slater

    return jax.tree.map(lambda part: part.signed() if is_slater(part) else part, ansatz, is_leaf=is_slater)


def key_of(x: Float[Array, "n_particles dim"]) -> Key[Array, ""]:
    """A key of random numbers from the bits of a configuration."""
    bits = jax.lax.bitcast_convert_type(x.astype(jnp.float32).ravel(), jnp.uint32)
    odd = 2 * jnp.arange(1, len(bits) + 1, dtype=jnp.uint32) * jnp.uint32(0x9E3779B1) + jnp.uint32(1)
    return jax.random.key(jnp.sum(bits * odd, dtype=jnp.uint32))

"""Slater determinants."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from nqs.ansatz.base import Ansatz
from nqs.ansatz.orbitals import Orbitals


class Slater(Ansatz):
    """ψ = ∏_σ det φ_μ(√α r_i), a determinant for each spin; log |ψ| where the orbitals are real.

    `species` are the orbitals of each spin that occurs, up first, `sizes` how many particles have it.
    α = exp(`log_scale`) begins at 1; with `log_scale` None there is no parameter. `has_sign` makes log ψ complex also
    where the orbitals are real, iπ for a negative ψ.
    """

    species: tuple[Orbitals, ...]
    sizes: tuple[int, ...] = eqx.field(static=True)
    log_scale: Float[Array, ""] | None
    has_sign: bool = eqx.field(static=True)

    def __init__(
        self,
        species: Sequence[Orbitals],
        sizes: Sequence[int],
        *,
        is_scaled: bool = False,
        dtype: str = "float64",
        has_sign: bool = False,
    ):
        self.has_sign = has_sign
        self.species, self.sizes = tuple(species), tuple(sizes)
        self.log_scale = jnp.zeros((), dtype) if is_scaled else None

    def __call__(self, x: Float[Array, "n_particles dim"]) -> Inexact[Array, ""]:
        return self.of(x if self.log_scale is None else x.astype(self.log_scale.dtype))

    def of(
        self, r: Inexact[Array, "n_particles dim"], log_factors: Sequence[Inexact[Array, "..."]] | None = None
    ) -> Inexact[Array, ""]:
        """log ψ at other, even complex positions, each φ_μ(r_i) times exp of `log_factors[spin][i, μ]` where given."""
        if self.log_scale is not None:
            r = r * jnp.exp(self.log_scale / 2)
        total, start = jnp.zeros((), r.dtype), 0
        for spin, (orbitals, size) in enumerate(zip(self.species, self.sizes, strict=True)):
            mine = r[start : start + size]
            values = orbitals.values(mine)
            if log_factors is not None:
                values = values * jnp.exp(log_factors[spin])
            if self.has_sign:
                values = values.astype(jnp.result_type(values, jnp.complex64))
            total += log_determinant(values) + jnp.sum(orbitals.log_envelope(mine))
            start += size
        return total

    def signed(self) -> "Slater":
        """The same with `has_sign`."""
        return eqx.tree_at(
            lambda one: one.log_scale,
            Slater(self.species, self.sizes, has_sign=True),
            self.log_scale,
            is_leaf=lambda leaf: leaf is None,
        )


def log_determinant(matrix: Inexact[Array, "n n"]) -> Inexact[Array, ""]:
    """log |det A| of a real matrix, log det A of a complex one."""
    sign, log_modulus = jnp.linalg.slogdet(matrix)
    return log_modulus + jnp.log(sign) if jnp.iscomplexobj(matrix) else log_modulus

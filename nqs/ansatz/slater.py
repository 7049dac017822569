"""Slater determinants."""

from collections.abc import Sequence

import equinox as eqx
import jax
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
        return self._with_phase(*self._parts(r, log_factors))

    def of_several(
        self,
        r: Inexact[Array, "n_particles dim"],
        log_factors: Sequence[Sequence[Inexact[Array, "..."]]],
        coefficients: Float[Array, " others"],
    ) -> Inexact[Array, ""]:
        """log (ψ_0 + Σ_d c_d ψ_d), each ψ_d with `log_factors[d]` of its own."""
        phases, log_moduli = map(jnp.stack, zip(*(self._parts(r, factors) for factors in log_factors), strict=True))
        shift = jax.lax.stop_gradient(jnp.max(log_moduli))
        weights = jnp.concatenate([jnp.ones(1, coefficients.dtype), coefficients])
        total = jnp.sum(weights * phases * jnp.exp(log_moduli - shift))
        if self.has_sign or jnp.iscomplexobj(total):
            return shift + jnp.log(total.astype(jnp.result_type(total, jnp.complex64)))
        return shift + jnp.log(total**2) / 2

    def _parts(
        self, r: Inexact[Array, "n_particles dim"], log_factors: Sequence[Inexact[Array, "..."]] | None
    ) -> tuple[Inexact[Array, ""], Inexact[Array, ""]]:
        """ψ/|ψ| and log |ψ|, but for factors common to all orbitals, which are with the latter."""
        if self.log_scale is not None:
            r = r * jnp.exp(self.log_scale / 2)
        phase, total, start = jnp.ones((), r.dtype), jnp.zeros((), r.dtype), 0
        for spin, (orbitals, size) in enumerate(zip(self.species, self.sizes, strict=True)):
            mine = r[start : start + size]
            values = orbitals.values(mine)
            if log_factors is not None:
                values = values * jnp.exp(log_factors[spin])
            its_phase, log_modulus = jnp.linalg.slogdet(values)
            phase *= its_phase
            total += log_modulus + jnp.sum(orbitals.log_envelope(mine))
            start += size
        return phase, total

    def _with_phase(self, phase: Inexact[Array, ""], log_modulus: Inexact[Array, ""]) -> Inexact[Array, ""]:
        if self.has_sign:
            phase = phase.astype(jnp.result_type(phase, jnp.complex64))
        return log_modulus + jnp.log(phase) if jnp.iscomplexobj(phase) else log_modulus

    def signed(self) -> "Slater":
        """The same with `has_sign`."""
        return eqx.tree_at(
            lambda one: one.log_scale,
            Slater(self.species, self.sizes, has_sign=True),
            self.log_scale,
            is_leaf=lambda leaf: leaf is None,
        )

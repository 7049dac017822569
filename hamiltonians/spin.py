"""Spin-1/2 Hamiltonians: a diagonal part and off-diagonal terms, each a move and an amplitude.

Everything is written with Pauli matrices. A diagonal part is a sum of products of Z; an off-diagonal term flips
a set of sites and multiplies by a sum of products of Z, which is what remains of any Pauli strings that share a
flip mask (Y = i·X·Z).
"""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int, Int8

from hamiltonians.space import Flip, Spins


class ZStrings(eqx.Module):
    """The diagonal operator Σ_t c_t ∏_q Z_{sites[t, q]}."""

    coefficients: Float[Array, " terms"]
    sites: Int[Array, "terms order"]

    def __init__(self, coefficients, sites):
        self.sites = jnp.asarray(sites, dtype=jnp.int32)
        self.coefficients = jnp.broadcast_to(jnp.asarray(coefficients, dtype=float), self.sites.shape[:1])

    def __call__(self, x: Int8[Array, " n_sites"]) -> Float[Array, ""]:
        return jnp.sum(self.coefficients * jnp.prod(x[self.sites], axis=-1, dtype=float))


class ZZMatrix(eqx.Module):
    """The diagonal operator Σ_{i<j} C_ij Z_i Z_j for couplings between all pairs; only the upper triangle counts."""

    matrix: Float[Array, "n_sites n_sites"]

    def __init__(self, matrix):
        self.matrix = jnp.triu(jnp.asarray(matrix, dtype=float), 1)

    def __call__(self, x: Int8[Array, " n_sites"]) -> Float[Array, ""]:
        spins = x.astype(float)
        return spins @ (self.matrix @ spins)


class FlipTerms(eqx.Module):
    """The off-diagonal operators Σ_t (∏_{i ∈ flips[t]} X_i) Σ_p c_{tp} ∏_q Z_{sites[t, p, q]}.

    The Z act first, on the configuration that is flipped afterwards, so that
    ⟨x′|H|x⟩ = Σ_p c_{tp} ∏_q x_{sites[t, p, q]} where x′ is x with `flips[t]` reversed. `flips` and `sites` are
    padded with the number of sites where a term has fewer; no mask may appear in two terms.
    """

    flips: Int[Array, "terms flipped"]
    coefficients: Inexact[Array, "terms strings"]
    sites: Int[Array, "terms strings order"]

    def __init__(self, flips, coefficients, sites=None):
        self.flips = jnp.asarray(flips, dtype=jnp.int32)
        self.coefficients = jnp.asarray(coefficients) + 0.0
        shape = (*self.coefficients.shape, 0)
        self.sites = jnp.zeros(shape, jnp.int32) if sites is None else jnp.asarray(sites, dtype=jnp.int32)

    def amplitudes(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, " terms"]:
        """⟨x′|H|x⟩ of every term."""
        if self.sites.shape[-1] == 0:
            return jnp.sum(self.coefficients, axis=-1)
        z = x.at[self.sites].get(mode="fill", fill_value=1)
        return jnp.sum(self.coefficients * jnp.prod(z, axis=-1, dtype=float), axis=-1)


class SpinHamiltonian(eqx.Module):
    """H = diagonal part + off-diagonal terms on `space`; a model fills in the fields, the rest is written here.

    `convention` is the formula that a run prints in its header; `energy_unit` names what an energy of 1 is. A spin
    observable is `spin` times that of the Pauli matrices: 1 for a model written with these, 1/2 for one of S = σ/2.
    """

    space: eqx.AbstractVar[Spins]
    diagonal_terms: eqx.AbstractVar[tuple[ZStrings | ZZMatrix, ...]]
    flip_terms: eqx.AbstractVar[FlipTerms]
    convention: ClassVar[str]
    energy_unit: ClassVar[str]
    infinite_temperature_energy: ClassVar[float] = 0.0
    spin: ClassVar[float] = 1.0

    def diagonal(self, x: Int8[Array, " n_sites"]) -> Float[Array, ""]:
        """⟨x|H|x⟩."""
        return sum((term(x) for term in self.diagonal_terms), start=jnp.zeros(()))

    def connected(self, x: Int8[Array, " n_sites"]) -> tuple[Flip, Inexact[Array, " terms"]]:
        """The moves x → x′ (a `Flip` whose `sites` has one row a term) and the amplitudes ⟨x|H|x′⟩.

        A term that does not act on x has amplitude 0.
        """
        return Flip(self.flip_terms.flips), jnp.conj(self.flip_terms.amplitudes(x))

    def some_do_not_act(self) -> bool:
        """Whether the amplitude of a term depends on x; then it may be 0."""
        return self.flip_terms.sites.size > 0

    @abc.abstractmethod
    def reference_energy(self) -> float | None:
        """The exact ground-state energy where a closed form holds, otherwise None."""

    def lower_bound(self) -> float:
        """A bound that no energy lies below: minus the sum of the moduli of all coefficients."""
        parts = [term.coefficients if isinstance(term, ZStrings) else term.matrix for term in self.diagonal_terms]
        return -sum(float(jnp.sum(jnp.abs(part))) for part in [*parts, self.flip_terms.coefficients])

    def instance(self) -> dict[str, np.ndarray]:
        """Disorder that a result must store to be understood: name and values."""
        return {}

    def to_netket(self) -> Any:
        """The same operator as a `netket.operator.PauliStrings`, on the spins of this space; imports NetKet."""
        from hamiltonians.netket_operators import to_netket

        return to_netket(self)

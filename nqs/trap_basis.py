"""The one-body density matrix of a trap in the states of the oscillator."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hamiltonians.trap import HarmonicTrap, lowest_quanta
from nqs.ansatz.base import Ansatz
from nqs.ansatz.orbitals import Oscillator
from nqs.one_body import key_of, ratios_at

# Quanta of the basis beyond those of the highest filled state.
EXTRA_QUANTA = 3
# More states cost too much memory, and polynomials of more quanta overflow.
MOST_STATES, MOST_QUANTA = 300, 100


def trap_basis(trap: HarmonicTrap) -> "TrapBasis | None":
    """The states for the density matrix of a trap; None if those that its particles fill are too many."""
    quanta = _filled(trap).sum(axis=1)
    return TrapBasis(trap) if len(quanta) <= MOST_STATES and quanta.max() + EXTRA_QUANTA <= MOST_QUANTA else None


def _filled(trap: HarmonicTrap) -> Int[np.ndarray, "n_filled dim"]:
    n_filled = 1 if trap.space.are_bosons else max(trap.space.n_up, trap.space.n_down)
    return lowest_quanta(n_filled, trap.omega.tolist())


class TrapBasis(eqx.Module):
    """States φ_a of a trap without interaction, by energy: all with at most `EXTRA_QUANTA` quanta, of all axes
    together, more than the filled states of its fermions of one spin have, or the lowest `MOST_STATES` of them; bosons
    fill the lowest one.
    """

    orbitals: Oscillator
    norms: Float[Array, " n_orbitals"]
    widths: Float[Array, " dim"]

    def __init__(self, trap: HarmonicTrap):
        omega = np.asarray(trap.omega)
        most = int(_filled(trap).sum(axis=1).max()) + EXTRA_QUANTA
        quanta = np.indices((most + 1,) * len(omega)).reshape(len(omega), -1).T
        quanta = quanta[quanta.sum(axis=1) <= most]
        quanta = quanta[np.argsort(np.round(quanta @ omega, 9), kind="stable")][:MOST_STATES]
        most = int(quanta.sum(axis=1).max())
        self.orbitals = Oscillator(quanta.tolist(), omega.tolist())
        factorials = np.array([[math.factorial(n) for n in one] for one in quanta.tolist()], float)
        squares = np.sqrt(np.pi / omega) * 2.0**quanta * factorials
        self.norms = jnp.asarray(np.prod(squares, axis=1) ** -0.5)
        self.widths = jnp.asarray(np.sqrt((most + 1) / (2 * omega)))

    def __call__(self, r: Float[Array, "n dim"]) -> Float[Array, "n n_orbitals"]:
        """φ_a(r_i), normalised."""
        return self.norms * self.orbitals.values(r) * jnp.exp(self.orbitals.log_envelope(r))[:, None]

    @property
    def names(self) -> str:
        """The quanta along the axes of every state, as 0,0 0,1 1,0."""
        return " ".join(",".join(map(str, n)) for n in self.orbitals.quanta)

    def density_matrix(
        self, ansatz: Ansatz, x: Float[Array, "n_particles dim"]
    ) -> Float[Array, "n_orbitals n_orbitals"]:
        """An estimate at x of the symmetric real part of ρ_ab = Σ_i ⟨φ_a(r_i) ∫ φ_b(r′) ψ(r_i → r′)/ψ dr′⟩.

        The integral is the value at one r′ for each particle over the normal density p(r′) that it is drawn from, so
        wide that φ_b²/p is bounded: then the variance is finite, at nodes of ψ as well. The trace is the number of
        particles in the basis, which may be less than all of them.
        """
        places = self.widths * jax.random.normal(key_of(x), x.shape)
        density = jnp.exp(-jnp.sum((places / self.widths) ** 2, axis=1) / 2) / jnp.prod(
            np.sqrt(2 * np.pi) * self.widths
        )
        weights = jnp.real(ratios_at(ansatz, x, places)) / density
        matrix = self(x).T @ (weights[:, None] * self(places))
        return (matrix + matrix.T) / 2

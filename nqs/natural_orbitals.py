"""The one-body density matrix of a trap in the states of the oscillator."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hamiltonians.trap import HarmonicTrap, lowest_quanta
from nqs.ansatz.base import Ansatz
from nqs.ansatz.orbitals import Oscillator
from nqs.one_body import key_of, ratios_at

# Basis states above the highest filled one, in quanta of the lowest frequency.
EXTRA_QUANTA = 3


class TrapBasis(eqx.Module):
    """The lowest states φ_a of a trap without interaction: those that its fermions of one spin fill and all within
    `EXTRA_QUANTA` of them, equal energies in lexical order of the quanta; bosons fill one.
    """

    orbitals: Oscillator
    norms: Float[Array, " n_orbitals"]
    widths: Float[Array, " dim"]

    def __init__(self, trap: HarmonicTrap):
        space, omega = trap.space, [float(value) for value in trap.omega]
        n_filled = 1 if space.are_bosons else max(space.n_up, space.n_down)
        self.orbitals = Oscillator(_n_states(n_filled, omega), omega)
        quanta = np.array(self.orbitals.quanta)
        factorials = np.array([[math.factorial(n) for n in one] for one in quanta], float)
        squares = np.sqrt(np.pi / np.array(omega)) * 2.0**quanta * factorials
        self.norms = jnp.asarray(np.prod(squares, axis=1) ** -0.5)
        self.widths = jnp.asarray(np.sqrt((quanta.max(axis=0) + 1) / (2 * np.array(omega))))

    def __call__(self, r: Float[Array, "n dim"]) -> Float[Array, "n n_orbitals"]:
        """φ_a(r_i), normalised."""
        return self.norms * self.orbitals.values(r) * jnp.exp(self.orbitals.log_envelope(r))[:, None]

    def density_matrix(
        self, ansatz: Ansatz, x: Float[Array, "n_particles dim"]
    ) -> Float[Array, "n_orbitals n_orbitals"]:
        """An estimate at x of ρ_ab = Σ_i ⟨φ_a(r_i) ∫ φ_b(r′) ψ(r_i → r′)/ψ dr′⟩, its symmetric real part.

        The integral is the value at one r′ for each particle, drawn from a normal distribution wider than all φ_b²,
        over its density. The trace is the number of particles if the basis holds them all.
        """
        places = self.widths * jax.random.normal(key_of(x), x.shape)
        density = jnp.exp(-jnp.sum((places / self.widths) ** 2, axis=1) / 2) / jnp.prod(
            np.sqrt(2 * np.pi) * self.widths
        )
        weights = jnp.real(ratios_at(ansatz, x, places)) / density
        matrix = self(x).T @ (weights[:, None] * self(places))
        return (matrix + matrix.T) / 2


def _n_states(n_filled: int, omega: list[float]) -> int:
    """The number of states up to `EXTRA_QUANTA` above the last filled one."""
    bound = lowest_quanta(n_filled, omega)[-1] @ np.array(omega) + (EXTRA_QUANTA + 1e-6) * min(omega)
    n = 2 * n_filled
    while (energies := lowest_quanta(n, omega) @ np.array(omega))[-1] <= bound:
        n *= 2
    return int(np.sum(energies <= bound))

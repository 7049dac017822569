"""Hamiltonians of particles: a kinetic energy, a potential and, where forces depend on the spin, exchanges."""

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hamiltonians.space import Particles


class ContinuumHamiltonian(eqx.Module):
    """H = −c Σ_i ∇_i² + V(x) + Σ_t a_t(x) P_t on `space`, where P_t exchanges the positions of two particles.

    `kinetic_prefactor` is c, ħ²/2m in the units of the model. `convention` is the formula that a run prints in its
    header; `energy_unit` and `length_unit` name what an energy and a length of 1 are.
    """

    space: eqx.AbstractVar[Particles]
    kinetic_prefactor: eqx.AbstractVar[float]
    energy_unit: ClassVar[str] = "hartree"
    length_unit: ClassVar[str] = "bohr"

    @property
    @abc.abstractmethod
    def convention(self) -> str:
        """The Hamiltonian as a formula, with its units."""

    @abc.abstractmethod
    def potential_terms(self, x: Float[Array, "n_particles dim"]) -> dict[str, Float[Array, ""]]:
        """The parts of the potential energy of a configuration, by name."""

    def potential(self, x: Float[Array, "n_particles dim"]) -> Float[Array, ""]:
        """V(x)."""
        return sum(self.potential_terms(x).values(), start=jnp.zeros(()))

    def connected(
        self, x: Float[Array, "n_particles dim"]
    ) -> tuple[Int[np.ndarray, "n_terms 2"], Float[Array, " n_terms"]]:
        """The pairs of particles that exchange their positions and their amplitudes a_t; by default there are none.

        They add Σ_t a_t ψ(x with the positions of pair t exchanged)/ψ(x) to the local energy.
        """
        return np.zeros((0, 2), dtype=np.int32), jnp.zeros(0)

    @abc.abstractmethod
    def reference_energy(self) -> float | None:
        """The exact ground-state energy where it is known, otherwise None."""

    @abc.abstractmethod
    def lower_bound(self) -> float:
        """A bound that no energy lies below."""

    def instance(self) -> dict[str, np.ndarray]:
        """Disorder that a result must store to be understood: none."""
        return {}


def pairs(n_particles: int) -> tuple[Int[np.ndarray, " n_pairs"], Int[np.ndarray, " n_pairs"]]:
    """The first and the second particle of each pair, first < second."""
    first, second = np.triu_indices(n_particles, 1)
    return first, second

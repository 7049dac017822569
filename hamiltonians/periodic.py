"""Fermions in a periodic cell, whose simplest wave function is a determinant of plane waves."""

import abc
from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from hamiltonians.continuum import ContinuumHamiltonian
from hamiltonians.plane_waves import occupied_momenta, wave_vectors


class PeriodicHamiltonian(ContinuumHamiltonian):
    """A Hamiltonian of fermions in a periodic cell at a twist.

    `twist` has one component θ_j within ±½ for each reciprocal lattice vector: ψ gains exp(2πiθ_j) when a particle
    moves by the lattice vector a_j.
    """

    twist: eqx.AbstractVar[tuple[float, ...]]

    @property
    def cell(self) -> Float[np.ndarray, "dim dim"]:
        """The lattice vectors, as rows."""
        return np.asarray(self.space.cell)

    @property
    def volume(self) -> float:
        """Of the cell; in two dimensions its area."""
        return float(abs(np.linalg.det(self.cell)))

    def momenta(self) -> tuple[Int[np.ndarray, "n_up dim"], Int[np.ndarray, "n_down dim"]]:
        """The integer vectors of the plane waves that the particles of each spin occupy."""
        up, down = (occupied_momenta(n, self.cell, self.twist) for n in (self.space.n_up, self.space.n_down))
        return up, down

    def free_energy(self) -> float:
        """The lowest kinetic energy c Σ k² of fermions."""
        return self.kinetic_prefactor * float(
            sum(np.sum(wave_vectors(numbers, self.cell, self.twist) ** 2) for numbers in self.momenta())
        )

    @abc.abstractmethod
    def hartree_fock_terms(self) -> dict[str, float]:
        """The parts of the energy of a determinant of plane waves, by name, exactly."""

    def hartree_fock_energy(self) -> float:
        """The energy of a determinant of plane waves, which a determinant alone must give; a total."""
        return sum(self.hartree_fock_terms().values())


def differences(momenta: Int[np.ndarray, "n dim"], others: Int[np.ndarray, "m dim"]) -> Int[np.ndarray, "n*m dim"]:
    """All k − k', as integer vectors."""
    return (momenta[:, None] - others).reshape(-1, momenta.shape[-1])


def checked_twist(twist: Sequence[float] | None, dim: int) -> tuple[float, ...]:
    """A twist as a tuple; zero where none is given.

    Raises `ValueError` for a wrong number of components, or one outside ±½.
    """
    components = (0.0,) * dim if twist is None else tuple(map(float, twist))
    if len(components) != dim:
        raise ValueError(f"twist has {len(components)} components, not {dim}")
    if not all(abs(component) <= 0.5 for component in components):
        raise ValueError(f"twist = {list(components)} lies outside the cell: components are between -0.5 and 0.5")
    return components

"""Particles in a harmonic trap: quantum dots and trapped bosons."""

from collections.abc import Sequence
from typing import Literal, get_args

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hamiltonians.continuum import ContinuumHamiltonian, pairs
from hamiltonians.lattice import OneEach, one_each
from hamiltonians.shells import check_shells
from hamiltonians.space import Particles
from hamiltonians.two_electron_dot import two_electron_energy
from hamiltonians.two_hard_cores import two_hard_core_energy

# Energies belong to one level if they differ by less than this fraction of the lowest frequency.
SAME_LEVEL = 1e-6

Interaction = Literal["coulomb", "hard_core", "none"]


class HarmonicTrap(ContinuumHamiltonian):
    """H = Σ_i (−½∇_i² + ½ Σ_k ω_k² x_ik²) + Σ_{i<j} v(r_ij) in Hartree atomic units (ħ = m = 1).

    ω is `omega`, one number or one for each axis. v(r) is 1/√(r² + a²) for "coulomb", where a is `softening`, infinite
    below `core_diameter` and zero above for "hard_core", and zero for "none".

    Raises `ValueError` for an ω that is not positive, a Coulomb repulsion in one dimension without softening, a length
    that the interaction has no use for, or fermions in an open shell that `open_shells` does not allow.
    """

    space: Particles
    kinetic_prefactor: float
    omega: Float[np.ndarray, " dim"]
    interaction: Interaction = eqx.field(static=True)
    softening: float
    core_diameter: float

    def __init__(
        self,
        n_up: int,
        n_down: int,
        dim: int,
        omega: OneEach = 1.0,
        interaction: Interaction = "coulomb",
        *,
        softening: float = 0.0,
        core_diameter: float = 0.0,
        are_bosons: bool = False,
        open_shells: bool = False,
    ):
        if interaction not in get_args(Interaction):
            raise ValueError(f"interaction must be one of {', '.join(get_args(Interaction))}, not {interaction!r}")
        self.omega = one_each("omega", omega, dim, "axes")
        if not np.all((self.omega >= 1e-6) & (self.omega <= 1e6)):
            raise ValueError(f"omega must be positive, between 1e-6 and 1e6, not {self.omega.tolist()}")
        self.space = Particles(n_up, n_down, dim, spread=float(np.min(self.omega)) ** -0.5, are_bosons=are_bosons)
        self.kinetic_prefactor, self.interaction = 0.5, interaction
        self.softening, self.core_diameter = softening, core_diameter
        for name, value, its_kind in (
            ("softening", softening, "coulomb"),
            ("core_diameter", core_diameter, "hard_core"),
        ):
            if not 0 <= value <= 1e6 or (value > 0 and interaction != its_kind):
                raise ValueError(f"{name} = {value:g}: between 0 and 1e6, and 0 unless the interaction is {its_kind}")
        if interaction == "coulomb" and dim == 1 and softening == 0:
            raise ValueError("softening: in one dimension 1/r has no finite energy; give a positive softening")
        if interaction == "hard_core" and core_diameter == 0:
            raise ValueError("core_diameter: a hard_core interaction needs a positive one")
        if not (open_shells or are_bosons):
            check_shells(self.space, lambda n: closed_shells(n, self.omega.tolist()), "the oscillator")

    @property
    def convention(self) -> str:
        repulsion = {
            "coulomb": " + sum_{i<j} " + ("1/sqrt(r_ij^2 + softening^2)" if self.softening else "1/r_ij"),
            "hard_core": f" + hard cores of diameter {self.core_diameter:g}",
            "none": "",
        }
        return f"H = sum (-1/2 nabla^2 + 1/2 omega^2 r^2){repulsion[self.interaction]} (hartree atomic units)"

    def potential_terms(self, x: Float[Array, "n_particles dim"]) -> dict[str, Float[Array, ""]]:
        """The energy in the trap, "trap", and the repulsion of all pairs, "interaction"."""
        terms = {"trap": 0.5 * jnp.sum((self.omega * x) ** 2)}
        if self.interaction == "none":
            return terms
        first, second = pairs(self.space.n_particles)
        squares = jnp.sum((x[first] - x[second]) ** 2, axis=-1)
        if self.interaction == "coulomb":
            return {**terms, "interaction": jnp.sum(1 / jnp.sqrt(squares + self.softening**2))}
        return {**terms, "interaction": jnp.sum(jnp.where(squares < self.core_diameter**2, jnp.inf, 0.0))}

    def reference_energy(self) -> float | None:
        """The sum of the lowest oscillator levels without interaction; of two particles in an isotropic trap the exact
        energy with the repulsion 1/r, and with hard cores in one dimension and, of s waves, in three; otherwise None.
        """
        if self.interaction == "none" or self.space.n_particles == 1:
            return self.lower_bound()
        if self.space.n_particles != 2 or np.ptp(self.omega) != 0:
            return None
        dim, omega = self.space.dim, float(self.omega[0])
        angular_momentum = int(self.space.n_down != 1 and not self.space.are_bosons)
        if self.interaction == "coulomb" and self.softening == 0:
            return two_electron_energy(dim, omega, angular_momentum)
        if self.interaction == "hard_core" and (dim == 1 or (dim == 3 and angular_momentum == 0)):
            return two_hard_core_energy(dim, omega, self.core_diameter)
        return None

    def lower_bound(self) -> float:
        """The energy without interaction, as every interaction repels."""
        counts = [1] * self.space.n_particles if self.space.are_bosons else [self.space.n_up, self.space.n_down]
        omega = np.asarray(self.omega)
        return sum(float(np.sum((lowest_quanta(n, omega.tolist()) + 0.5) @ omega)) for n in counts)


def lowest_quanta(n: int, omega: Sequence[float]) -> Int[np.ndarray, "n dim"]:
    """The quantum numbers n_k of the n states of lowest energy Σ_k ω_k n_k, equal ones in lexical order."""
    found, energies = np.zeros((1, 0), int), np.zeros(1)
    for frequency in omega:
        numbers = np.tile(np.arange(n), len(found))
        found = np.column_stack([np.repeat(found, n, axis=0), numbers])
        energies = np.round(np.repeat(energies, n) + frequency * numbers, 9)
        lowest = np.lexsort((*found.T[::-1], energies))[:n]
        found, energies = found[lowest], energies[lowest]
    return found


def closed_shells(n: int, omega: Sequence[float]) -> Int[np.ndarray, " ends"]:
    """0 and the numbers of states that make whole levels, up to one that is larger than n."""
    size = n + 1
    while True:
        size *= 2
        energies = lowest_quanta(size, omega) @ np.asarray(omega)
        ends = np.concatenate([[0], 1 + np.flatnonzero(np.diff(energies) > SAME_LEVEL * np.min(omega))])
        if ends[-1] > n:
            return ends

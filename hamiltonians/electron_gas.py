"""The homogeneous electron gas in two and three dimensions."""

from collections.abc import Sequence
from typing import Literal, get_args

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hamiltonians.continuum import pairs
from hamiltonians.ewald import Ewald
from hamiltonians.minimum_image import coulomb_transform
from hamiltonians.periodic import PeriodicHamiltonian, checked_twist, differences
from hamiltonians.plane_waves import closed_shells, wave_vectors
from hamiltonians.shells import check_shells
from hamiltonians.space import Particles

Interaction = Literal["ewald", "minimum_image", "none"]
Cell = Literal["cubic", "square", "hexagonal"]
SHAPES = {2: ("square", "hexagonal"), 3: ("cubic",)}
FORMULAS = {
    "ewald": " + Ewald sum of 1/r with background and Madelung term",
    "minimum_image": " + sum_{i<j} 1/r_ij of nearest images, without background",
    "none": "",
}


class ElectronGas(PeriodicHamiltonian):
    """N = n_up + n_down electrons at density parameter r_s in a periodic cell; Hartree atomic units.

    H = −½ Σ_i ∇_i² + V, where V is Ewald's sum with the neutralising background and the Madelung term N v_M/2 for
    "ewald", Σ_{i<j} 1/r_ij of nearest images without background for "minimum_image", and 0 for "none". The cell has
    the volume 4π r_s³N/3 in three dimensions, π r_s² N in two; its shape is `cell`, cubic or square unless given.
    `open_shells` allows a determinant of plane waves whose last shell is filled in part. Energies are those of the
    cell: no correction for its finite size is added.

    Raises `ValueError` for an r_s that is not positive, a dimension or shape that there is not, a twist outside the
    cell of reciprocal space, or an open shell.
    """

    space: Particles
    kinetic_prefactor: float
    r_s: float
    twist: tuple[float, ...] = eqx.field(static=True)
    interaction: Interaction = eqx.field(static=True)
    ewald: Ewald | None

    def __init__(
        self,
        n_up: int,
        n_down: int,
        r_s: float,
        dim: int = 3,
        *,
        twist: Sequence[float] | None = None,
        cell: Cell | None = None,
        interaction: Interaction = "ewald",
        open_shells: bool = False,
    ):
        if interaction not in get_args(Interaction):
            raise ValueError(f"interaction must be one of {', '.join(get_args(Interaction))}, not {interaction!r}")
        self.kinetic_prefactor, self.r_s, self.interaction = 0.5, r_s, interaction
        self.space = Particles(n_up, n_down, dim, cell_vectors(n_up + n_down, r_s, dim, cell))
        self.twist = checked_twist(twist, dim)
        self.ewald = Ewald(self.cell) if interaction == "ewald" else None
        if not open_shells:
            check_shells(self.space, lambda n: closed_shells(n, self.cell, self.twist), "plane waves")

    @property
    def convention(self) -> str:
        return f"H = -1/2 sum nabla^2{FORMULAS[self.interaction]} (hartree atomic units)"

    def potential_terms(self, x: Float[Array, "n_particles dim"]) -> dict[str, Float[Array, ""]]:
        """The energy of the interaction, "interaction"."""
        if self.ewald is not None:
            return {"interaction": self.ewald(x)}
        if self.interaction == "none":
            return {}
        first, second = pairs(self.space.n_particles)
        between = self.space.displacement(x[first] - x[second])
        return {"interaction": jnp.sum(1 / jnp.linalg.norm(between, axis=-1))}

    def hartree_fock_terms(self) -> dict[str, float]:
        """The parts of the energy of a determinant of plane waves, exactly; with v(q) the interaction's transform,

            kinetic = Σ_k k²/2,   exchange = −Σ_σ Σ_{k≠k'} v(k − k')/2Ω,   madelung = N v_M/2

        for "ewald", where v(q) = 4π/q² or 2π/q; for "minimum_image", v is that over the nearest images, the last term
        is direct = N² v(0)/2Ω, and the exchange includes k = k'.
        """
        n, kinetic = self.space.n_particles, {"kinetic": self.free_energy()}
        if self.interaction == "none":
            return kinetic
        exchanged = np.concatenate([differences(k, k) for k in self.momenta()])
        numbers, times = np.unique(exchanged, axis=0, return_counts=True)
        if self.ewald is None:
            q = wave_vectors(numbers, self.cell)
            transform = coulomb_transform(q, self.cell) / (2 * self.volume)
            (at_zero,) = transform[~numbers.any(axis=1)]
            return {**kinetic, "exchange": -float(times @ transform), "direct": float(n**2 * at_zero)}
        numbers, times = numbers[numbers.any(axis=1)], times[numbers.any(axis=1)]
        q = np.linalg.norm(wave_vectors(numbers, self.cell), axis=-1)
        transform = (4 * np.pi / q**2 if self.space.dim == 3 else 2 * np.pi / q) / (2 * self.volume)
        return {**kinetic, "exchange": -float(times @ transform), "madelung": 0.5 * n * self.ewald.madelung}

    def reference_energy(self) -> float | None:
        """The sum of the lowest kinetic energies without interaction, otherwise None."""
        return self.hartree_fock_energy() if self.interaction == "none" else None

    def lower_bound(self) -> float:
        """The kinetic energy of the free gas plus a bound of the potential energy.

        V ≥ −0.9 N/r_s in three dimensions (E. H. Lieb and H. Narnhofer, J. Stat. Phys. 12, 291, 1975). In two, charges
        that are spread over spheres of radius a around each electron repel each other less than the electrons do; their
        energy with the background is not negative, so that V ≥ −N (1/2a + πna), which is −√2 N/r_s at the best a.
        Without background V ≥ 0.
        """
        factor = {2: np.sqrt(2), 3: 0.9}[self.space.dim] if self.interaction == "ewald" else 0.0
        return self.free_energy() - factor * self.space.n_particles / self.r_s


def cell_vectors(n: int, r_s: float, dim: int, shape: str | None = None) -> Float[np.ndarray, "dim dim"]:
    """The lattice vectors of a cell of n electrons at r_s, as rows.

    Raises `ValueError` for an r_s that is not positive, or a dimension or shape that there is not.
    """
    if not 1e-6 <= r_s <= 1e6:
        raise ValueError(f"r_s must be positive, between 1e-6 and 1e6, not {r_s:g}")
    if dim not in SHAPES:
        raise ValueError(f"dim must be 2 or 3 for an electron gas, not {dim}")
    shape = SHAPES[dim][0] if shape is None else shape
    if shape not in SHAPES[dim]:
        raise ValueError(f"cell must be {' or '.join(SHAPES[dim])} in {dim} dimensions, not {shape}")
    if dim == 3:
        return np.eye(3) * r_s * (4 * np.pi * n / 3) ** (1 / 3)
    area = np.pi * r_s**2 * n
    if shape == "square":
        return np.eye(2) * np.sqrt(area)
    return np.sqrt(2 * area / np.sqrt(3)) * np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])

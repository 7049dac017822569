"""Neutron matter with the pionless forces of leading order."""

from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hamiltonians.continuum import pairs
from hamiltonians.periodic import PeriodicHamiltonian, checked_twist, differences
from hamiltonians.plane_waves import closed_shells, wave_vectors
from hamiltonians.shells import check_shells
from hamiltonians.space import Particles

# ħc in MeV fm, the neutron's mass in MeV.
HBAR_C = 197.3269804
NEUTRON_MASS = 939.56542052
# "Model o": C_01 in fm², R_1 and R_3 in fm, Λ_χ and f_π in MeV.
C_01, R_1 = -5.27518671, 1.83039397
C_E, R_3, LAMBDA_CHI, F_PI = 1.0786, 1.0, 1000.0, 92.4
PAIR_STRENGTH = C_01 * HBAR_C / (np.pi**1.5 * R_1**3)
TRIPLE_STRENGTH = C_E * HBAR_C / (LAMBDA_CHI / HBAR_C * (F_PI / HBAR_C) ** 4 * np.pi**3 * R_3**6)


class NeutronMatter(PeriodicHamiltonian):
    """Neutrons of a density ρ in fm⁻³ in a periodic cube, with two- and three-body forces; MeV and fm.

    H = −ħ²/2m Σ_i ∇_i² + Σ_{i<j} v(r_ij) P_ij + Σ_{i<j<k} Σ_cyc w(r_ij) w(r_jk), where P_ij projects on total spin 0,
    v(r) = C_01 ħc e^{−r²/R_1²}/(π^{3/2} R_1³) and w(r)² = c_E ħc e^{−2r²/R_3²}/(Λ_χ f_π⁴ π³ R_3⁶), both summed over all
    images: "model o" of B. Fore et al., Phys. Rev. Research 5, 033062 (2023) and R. Schiavilla et al., Phys. Rev. C
    103, 054003 (2021). With the spins fixed to n_up and n_down, P_ij is (1 + the exchange of positions)/2 for opposite
    spins, and 0 for like ones, since ψ is antisymmetric.

    Raises `ValueError` for a density that is not positive, a cell narrower than 2R_1, a twist outside the cell of
    reciprocal space, or an open shell that `open_shells` does not allow.
    """

    space: Particles
    kinetic_prefactor: float
    density: float
    length: float
    twist: tuple[float, ...] = eqx.field(static=True)
    n_images: int = eqx.field(static=True)
    energy_unit: ClassVar[str] = "MeV"
    length_unit: ClassVar[str] = "fm"

    def __init__(
        self,
        n_up: int,
        n_down: int,
        density: float = 0.04,
        *,
        twist: Sequence[float] | None = None,
        open_shells: bool = False,
    ):
        if not 1e-9 <= density <= 1e3:
            raise ValueError(f"density must be positive, between 1e-9 and 1e3, not {density:g}")
        self.density, self.length = density, ((n_up + n_down) / density) ** (1 / 3)
        self.kinetic_prefactor = HBAR_C**2 / (2 * NEUTRON_MASS)
        self.space = Particles(n_up, n_down, 3, self.length * np.eye(3))
        if self.length < 2 * R_1:
            raise ValueError(
                f"density: a cell of {self.length:.3g} fm is smaller than the range of the forces, {2 * R_1:.3g} fm; "
                "it needs more neutrons or a lower density"
            )
        self.twist = checked_twist(twist, 3)
        # What is left out of a sum over images is below exp(-36) of its first term.
        self.n_images = int(np.ceil(6 * R_1 / self.length + 0.5))
        if not open_shells:
            check_shells(self.space, lambda n: closed_shells(n, self.cell, self.twist), "plane waves")

    @property
    def convention(self) -> str:
        return (
            "H = -hbar^2/2m sum nabla^2 + sum_{i<j} v(r_ij) P(S=0) + sum_{i<j<k} sum_cyc w(r_ij) w(r_jk), all images "
            '(pionless "model o", Fore et al. 2023; MeV, fm)'
        )

    def potential_terms(self, x: Float[Array, "n_particles dim"]) -> dict[str, Float[Array, ""]]:
        """Half of v for all pairs of opposite spins, "direct", and the three-body force, "triples".

        The sum over triples is ½ Σ_j ((Σ_{i≠j} w_ij)² − Σ_{i≠j} w_ij²).
        """
        n = self.space.n_particles
        first, second = pairs(n)
        w = jnp.zeros((n, n)).at[first, second].set(self._gaussian(x[first] - x[second], R_3))
        w = w + w.T
        triples = 0.5 * TRIPLE_STRENGTH * (jnp.sum(jnp.sum(w, axis=1) ** 2) - jnp.sum(w**2))
        return {"direct": jnp.sum(self.connected(x)[1]), "triples": triples}

    def connected(
        self, x: Float[Array, "n_particles dim"]
    ) -> tuple[Int[np.ndarray, "n_terms 2"], Float[Array, " n_terms"]]:
        """All pairs of opposite spins, and half of v for each."""
        up, down = np.indices((self.space.n_up, self.space.n_down)).reshape(2, -1)
        opposite = np.stack([up, down + self.space.n_up], axis=-1).astype(np.int32)
        between = x[opposite[:, 0]] - x[opposite[:, 1]]
        return opposite, 0.5 * PAIR_STRENGTH * self._gaussian(between, R_1)

    def _gaussian(self, r: Float[Array, "n dim"], width: float) -> Float[Array, " n"]:
        """Σ_R exp(−|r + R|²/width²), a product over the axes of a cube."""
        nearest = self.space.displacement(r)
        images = self.length * np.arange(-self.n_images, self.n_images + 1)
        return jnp.prod(jnp.sum(jnp.exp(-(((nearest[..., None] + images) / width) ** 2)), axis=-1), axis=-1)

    def hartree_fock_terms(self) -> dict[str, float]:
        """The parts of the energy of a determinant of plane waves: "kinetic", "direct", "exchange" and "triples".

        With the transforms v(q) and w(q) over the volume, the two-body force gives Σ_{k↑k'↓} v(0)/2 and Σ_{k↑k'↓} v(k −
        k')/2. The three-body force is half a sum over ordered triples (1, 2, 3) of w(r_12) w(r_23), of which a
        permutation of the momenta in the ket makes sgn(P) w(k_1 − k_P1) w(k_3 − k_P3), if it mixes no spins.
        """

        def transform(numbers, strength: float, width: float) -> np.ndarray:
            q = wave_vectors(numbers, self.cell)
            return strength * np.pi**1.5 * width**3 / self.volume * np.exp(-np.sum(q**2, axis=-1) * width**2 / 4)

        up, down = self.momenta()
        two_body = transform(differences(up, down), PAIR_STRENGTH, R_1)
        direct = PAIR_STRENGTH * np.pi**1.5 * R_1**3 / self.volume
        numbers, n = np.concatenate([up, down]), self.space.n_particles
        spin = np.arange(n) < self.space.n_up
        w = transform(differences(numbers, numbers), 1.0, R_3).reshape(n, n)
        exchanged, w_0 = np.where(spin[:, None] == spin, w, 0.0), w[0, 0]
        three_body = (
            n**3 * w_0**2
            - 2 * n * w_0 * np.sum(exchanged)
            - n * np.sum(exchanged**2)
            + 2 * np.sum(exchanged @ exchanged)
        )
        return {
            "kinetic": self.free_energy(),
            "direct": 0.5 * two_body.size * direct,
            "exchange": 0.5 * float(np.sum(two_body)),
            "triples": 0.5 * TRIPLE_STRENGTH * float(three_body),
        }

    def reference_energy(self) -> float | None:
        return None

    def lower_bound(self) -> float:
        """The kinetic energy of the free gas and the deepest attraction for every pair of opposite spins."""
        depth = float(PAIR_STRENGTH * self._gaussian(jnp.zeros((1, 3)), R_1)[0])
        return self.free_energy() + self.space.n_up * self.space.n_down * depth

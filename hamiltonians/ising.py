"""The transverse-field Ising model."""

from typing import ClassVar

import equinox as eqx
import numpy as np

from hamiltonians.lattice import Lattice
from hamiltonians.space import Spins
from hamiltonians.spin import FlipTerms, SpinHamiltonian, ZStrings, ZZMatrix


class TransverseIsing(SpinHamiltonian):
    """H = −J Σ_⟨ij⟩ Z_i Z_j − Γ Σ_i X_i − h Σ_i Z_i with Pauli matrices; energies in the unit of J.

    J is `coupling`, Γ `transverse_field` and h `longitudinal_field`.
    """

    space: Spins
    diagonal_terms: tuple[ZStrings | ZZMatrix, ...]
    flip_terms: FlipTerms
    lattice: Lattice = eqx.field(static=True)
    coupling: float
    transverse_field: float
    longitudinal_field: float
    convention: ClassVar[str] = "H = -J sum ZZ - Gamma sum X - h sum Z (Pauli matrices)"
    energy_unit: ClassVar[str] = "unit of J"

    def __init__(
        self,
        lattice: Lattice,
        coupling: float = 1.0,
        transverse_field: float = 1.0,
        longitudinal_field: float = 0.0,
    ):
        sites = np.arange(lattice.n_sites)[:, None]
        self.space = Spins(lattice.n_sites)
        self.lattice = lattice
        self.coupling = coupling
        self.transverse_field = transverse_field
        self.longitudinal_field = longitudinal_field
        self.diagonal_terms = (ZStrings(-coupling, lattice.edges()), ZStrings(-longitudinal_field, sites))
        self.flip_terms = FlipTerms(sites, np.full(sites.shape, -transverse_field))

    def reference_energy(self) -> float | None:
        """E0 = −Σ_n √(J² + Γ² + 2JΓ cos(π(2n+1)/N)) on a periodic chain of even N ≥ 4 with h = 0, else None.

        The free fermions of Lieb, Schultz and Mattis (Ann. Phys. 16, 407, 1961) and Pfeuty (Ann. Phys. 57, 79, 1970).
        """
        n_sites = self.lattice.n_sites
        is_ring = self.lattice.kind == "chain" and self.lattice.periodic and n_sites >= 4 and n_sites % 2 == 0
        if not is_ring or self.longitudinal_field != 0:
            return None
        momenta = np.pi * (2 * np.arange(n_sites) + 1) / n_sites
        j, gamma = np.float64(self.coupling), np.float64(self.transverse_field)
        return -float(np.sum(np.sqrt(j**2 + gamma**2 + 2 * j * gamma * np.cos(momenta))))

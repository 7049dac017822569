"""The transverse-field Ising model."""

from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Float

from hamiltonians.lattice import Graph, OneEach, one_each
from hamiltonians.space import Spins
from hamiltonians.spin import FlipTerms, SpinHamiltonian, ZStrings, ZZMatrix


class TransverseIsing(SpinHamiltonian):
    """H = −Σ_⟨ij⟩ J_ij Z_i Z_j − Σ_i Γ_i X_i − Σ_i h_i Z_i with Pauli matrices; energies in the unit of J.

    J is `coupling`, one number or one for each bond of `lattice.edges()`; Γ is `transverse_field` and h
    `longitudinal_field`, one number or one for each site.

    Raises `ValueError` for a wrong number of couplings or fields.
    """

    space: Spins
    diagonal_terms: tuple[ZStrings | ZZMatrix, ...]
    flip_terms: FlipTerms
    lattice: Graph = eqx.field(static=True)
    coupling: Float[np.ndarray, " n_edges"]
    transverse_field: Float[np.ndarray, " n_sites"]
    longitudinal_field: Float[np.ndarray, " n_sites"]
    convention: ClassVar[str] = "H = -J sum ZZ - Gamma sum X - h sum Z (Pauli matrices)"
    energy_unit: ClassVar[str] = "unit of J"

    def __init__(
        self,
        lattice: Graph,
        coupling: OneEach = 1.0,
        transverse_field: OneEach = 1.0,
        longitudinal_field: OneEach = 0.0,
    ):
        edges, n_sites = lattice.edges(), lattice.n_sites
        sites = np.arange(n_sites)[:, None]
        self.space = Spins(n_sites)
        self.lattice = lattice
        self.coupling = one_each("coupling", coupling, len(edges), "bonds")
        self.transverse_field = one_each("transverse_field", transverse_field, n_sites, "sites")
        self.longitudinal_field = one_each("longitudinal_field", longitudinal_field, n_sites, "sites")
        self.diagonal_terms = (ZStrings(-self.coupling, edges), ZStrings(-self.longitudinal_field, sites))
        self.flip_terms = FlipTerms(sites, -self.transverse_field[:, None])

    def reference_energy(self) -> float | None:
        """E0 = −Σ_n √(J² + Γ² + 2JΓ cos(π(2n+1)/N)) on a periodic chain of even N ≥ 4 with h = 0, else None.

        The free fermions of Lieb, Schultz and Mattis (Ann. Phys. 16, 407, 1961) and Pfeuty (Ann. Phys. 57, 79, 1970).
        """
        if not self.lattice.is_even_ring or np.any(self.longitudinal_field):
            return None
        if np.ptp(self.coupling) != 0 or np.ptp(self.transverse_field) != 0:
            return None
        n_sites, j, gamma = self.lattice.n_sites, self.coupling[0], self.transverse_field[0]
        momenta = np.pi * (2 * np.arange(n_sites) + 1) / n_sites
        return -float(np.sum(np.sqrt(j**2 + gamma**2 + 2 * j * gamma * np.cos(momenta))))

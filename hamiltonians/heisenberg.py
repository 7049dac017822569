"""The Heisenberg model, with anisotropy (XXZ) and second neighbours (J1–J2)."""

from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Float

from hamiltonians.bethe import ring_energy
from hamiltonians.exchange import exchange_terms, field_terms, marshall_sublattices
from hamiltonians.lattice import Graph, OneEach, one_each
from hamiltonians.space import Spins
from hamiltonians.spin import FlipTerms, SpinHamiltonian, ZStrings, ZZMatrix


class Heisenberg(SpinHamiltonian):
    """H = Σ_⟨ij⟩ J_ij S_i·S_j + Σ_⟨⟨ij⟩⟩ J2_ij S_i·S_j − Σ_i h_i S^z_i with spin-1/2 operators and
    S_i·S_j = S^x_i S^x_j + S^y_i S^y_j + Δ S^z_i S^z_j.

    J is `coupling`, one number or one for each bond of `lattice.edges()`; J2 is `second_coupling`, likewise for
    `lattice.edges(2)`; Δ is `anisotropy`; h is `longitudinal_field`, one number or one for each site. J > 0 is the
    antiferromagnet. Δ = 1 and J2 = 0 is the Heisenberg model, J2 = 0 the XXZ model, Δ = 1 the J1–J2 model.

    `marshall = True` turns the spins of one sublattice by π about z, which changes the sign of S⁺S⁻ + S⁻S⁺ between
    sublattices and, with J2 = 0, makes the ground state of a bipartite antiferromagnet positive; None does so for every
    bipartite lattice with J > 0.

    Raises `ValueError` for a magnetisation that the sites cannot have, a wrong number of couplings or fields, or a
    Marshall rotation of a lattice that is not bipartite.
    """

    space: Spins
    diagonal_terms: tuple[ZStrings | ZZMatrix, ...]
    flip_terms: FlipTerms
    lattice: Graph = eqx.field(static=True)
    coupling: Float[np.ndarray, " n_edges"]
    second_coupling: Float[np.ndarray, " n_second_edges"]
    longitudinal_field: Float[np.ndarray, " n_sites"]
    anisotropy: Float[np.ndarray, ""]
    marshall: bool = eqx.field(static=True)
    convention: ClassVar[str] = "H = J sum S.S + J2 sum' S.S - h sum Sz (spin-1/2 operators, S.S = xx + yy + Delta zz)"
    energy_unit: ClassVar[str] = "unit of J"
    spin: ClassVar[float] = 0.5

    def __init__(
        self,
        lattice: Graph,
        coupling: OneEach = 1.0,
        total_sz: float | None = 0.0,
        marshall: bool | None = None,
        *,
        anisotropy: float = 1.0,
        second_coupling: OneEach = 0.0,
        longitudinal_field: OneEach = 0.0,
    ):
        edges, second = lattice.edges(), lattice.edges(2)
        self.space = Spins(lattice.n_sites, total_sz)
        self.lattice, self.anisotropy = lattice, np.asarray(anisotropy, dtype=np.float64)
        self.coupling = one_each("coupling", coupling, len(edges), "bonds")
        self.second_coupling = one_each("second_coupling", second_coupling, len(second), "bonds of second neighbours")
        self.longitudinal_field = one_each("longitudinal_field", longitudinal_field, lattice.n_sites, "sites")
        sublattices = marshall_sublattices(lattice, self.coupling, marshall)
        self.marshall = sublattices is not None
        if np.any(self.second_coupling):
            edges, couplings = np.concatenate([edges, second]), np.concatenate([self.coupling, self.second_coupling])
        else:
            couplings = self.coupling
        bonds, self.flip_terms = exchange_terms(lattice.n_sites, edges, couplings, anisotropy * couplings, sublattices)
        self.diagonal_terms = (bonds, field_terms(self.longitudinal_field))

    def reference_energy(self) -> float | None:
        """Closed forms on the uniform antiferromagnetic ring of even N ≥ 4 with Σ S_z = 0 or free, and no field:
        the Bethe ansatz for Δ = 1, E0 = −J / sin(π/N) for Δ = 0 (free fermions: E. Lieb, T. Schultz and D. Mattis,
        Ann. Phys. 16, 407, 1961), and E0 = −3JN/8 for Δ = 1 and J2 = J/2 (C. Majumdar and D. Ghosh, J. Math. Phys. 10,
        1388, 1969); otherwise None.
        """
        n_sites = self.space.n_sites
        if not self.lattice.is_even_ring or self.space.total_sz not in (None, 0) or np.any(self.longitudinal_field):
            return None
        first, second = np.unique(self.coupling), np.unique(self.second_coupling)
        if len(first) > 1 or len(second) > 1 or first[0] <= 0:
            return None
        j, j2 = first[0], second[0] if len(second) else 0.0
        if self.anisotropy == 1 and j2 == 0:
            return float(j * ring_energy(n_sites))
        if self.anisotropy == 0 and j2 == 0:
            return float(-j / np.sin(np.pi / n_sites))
        if self.anisotropy == 1 and j2 == j / 2 and n_sites > 4:
            pairs = {frozenset(pair) for pair in self.lattice.edges(2).tolist()}
            are_of_ring = pairs == {frozenset((i, (i + 2) % n_sites)) for i in range(n_sites)}
            return float(-3 / 8 * j * n_sites) if are_of_ring else None
        return None

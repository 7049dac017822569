"""The Heisenberg model."""

from typing import ClassVar

import equinox as eqx
import numpy as np

from hamiltonians.lattice import Lattice
from hamiltonians.space import Spins
from hamiltonians.spin import FlipTerms, SpinHamiltonian, ZStrings, ZZMatrix


class Heisenberg(SpinHamiltonian):
    """H = J Σ_⟨ij⟩ S_i·S_j with spin-1/2 operators; energies in the unit of J, J > 0 is the antiferromagnet.

    `marshall = True` turns the spins of one sublattice by π about z, which changes the sign of the exchange
    S⁺S⁻ + S⁻S⁺ and so makes the ground state of a bipartite antiferromagnet positive; None does so for every such.

    Raises `ValueError` for a magnetisation that the sites cannot have, or a Marshall rotation of a lattice that is
    not bipartite.
    """

    space: Spins
    diagonal_terms: tuple[ZStrings | ZZMatrix, ...]
    flip_terms: FlipTerms
    lattice: Lattice = eqx.field(static=True)
    coupling: float
    marshall: bool = eqx.field(static=True)
    convention: ClassVar[str] = "H = J sum S.S (spin-1/2 operators)"
    energy_unit: ClassVar[str] = "unit of J"

    def __init__(
        self,
        lattice: Lattice,
        coupling: float = 1.0,
        total_sz: float | None = 0.0,
        marshall: bool | None = None,
    ):
        if marshall is None:
            marshall = coupling > 0 and lattice.is_bipartite
        if marshall and not lattice.is_bipartite:
            raise ValueError(f"marshall: a Marshall rotation needs a bipartite lattice; {list(lattice.extent)} is not")
        edges = lattice.edges()
        sign = -1 if marshall else 1
        ends = np.stack([np.full_like(edges, lattice.n_sites), edges], axis=1)
        self.space = Spins(lattice.n_sites, total_sz)
        self.lattice = lattice
        self.coupling = coupling
        self.marshall = marshall
        self.diagonal_terms = (ZStrings(coupling / 4, edges),)
        self.flip_terms = FlipTerms(edges, np.tile([sign * coupling / 4, -sign * coupling / 4], (len(edges), 1)), ends)

    def reference_energy(self) -> float | None:
        """The Bethe ansatz on the antiferromagnetic ring of even N ≥ 4 with Σ S_z = 0 or free, else None.

        The ground state has N/2 real rapidities with
        2 N arctan(2λ_j) = 2π I_j + 2 Σ_k arctan(λ_j − λ_k), I_j = −(N/2 − 1)/2 … (N/2 − 1)/2, and
        E/J = N/4 − Σ_j 2/(4λ_j² + 1) (H. Bethe, Z. Phys. 71, 205, 1931; L. Hulthén, Ark. Mat. Astron. Fys. 26A, 1938).
        """
        n_sites = self.lattice.n_sites
        is_ring = self.lattice.kind == "chain" and self.lattice.periodic and n_sites >= 4 and n_sites % 2 == 0
        if not is_ring or self.coupling <= 0 or self.space.total_sz not in (None, 0):
            return None
        from scipy.optimize import root

        numbers = np.arange(n_sites // 2) - (n_sites // 2 - 1) / 2

        def equations(rapidities):
            differences = rapidities[:, None] - rapidities[None, :]
            phases = 2 * n_sites * np.arctan(2 * rapidities) - 2 * np.arctan(differences).sum(axis=1)
            return phases - 2 * np.pi * numbers

        def jacobian(rapidities):
            kernel = 2 / (1 + (rapidities[:, None] - rapidities[None, :]) ** 2)
            return kernel + np.diag(4 * n_sites / (1 + 4 * rapidities**2) - kernel.sum(axis=1))

        start = np.tan(np.pi * numbers / n_sites) / 2
        solution = root(equations, start, jac=jacobian, options={"xtol": 1e-14})
        return self.coupling * float(n_sites / 4 - np.sum(2 / (4 * solution.x**2 + 1)))

"""Correlations and structure factors from a matrix ⟨s_i s_j⟩ by their definitions, with the positions of NetKet."""

from itertools import product

import numpy as np

from hamiltonians.lattice import HYPERCUBIC, Lattice

# Periods of S(k) over those of the reciprocal lattice.
PERIODS = {"honeycomb": 3, "kagome": 2}


def geometry(lattice: Lattice) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lattice vectors, and of each site its position, its cell and its number in the cell."""
    if lattice.kind in HYPERCUBIC:
        cells = np.array(list(np.ndindex(*lattice.extent)))
        return np.eye(len(lattice.extent)), 1.0 * cells, cells, np.zeros(len(cells), int)
    import netket as nk

    graph = getattr(nk.graph, lattice.kind.capitalize())(list(lattice.extent), pbc=lattice.periodic)
    return graph.basis_vectors, graph.positions, graph.basis_coords[:, :-1], graph.basis_coords[:, -1]


def structure_factor(lattice: Lattice, zz: np.ndarray) -> np.ndarray:
    """Σ_ij e^{iq·(r_i − r_j)} ⟨s_i s_j⟩/N at q = Σ_a (k_a/L_a) b_a."""
    vectors, positions, _, _ = geometry(lattice)
    reciprocal = 2 * np.pi * np.linalg.inv(vectors).T
    found = np.zeros([PERIODS.get(lattice.kind, 1) * length for length in lattice.extent])
    for k in np.ndindex(*found.shape):
        waves = np.exp(1j * positions @ (np.array(k) / lattice.extent @ reciprocal))
        found[k] = np.real(waves @ zz @ waves.conj()) / len(zz)
    return found


def correlation(lattice: Lattice, zz: np.ndarray) -> np.ndarray:
    """⟨s_{a,R'} s_{b,R'+R}⟩ averaged over R'; without a and b where a cell has one site."""
    _, _, cells, kinds = geometry(lattice)
    n_kinds = kinds.max() + 1
    found = np.zeros((n_kinds, n_kinds, *lattice.extent))
    for i, j in product(range(len(zz)), repeat=2):
        shift = (cells[j] - cells[i]) % lattice.extent
        found[(kinds[i], kinds[j], *shift)] += zz[i, j] * n_kinds / len(zz)
    return found if n_kinds > 1 else found[0, 0]

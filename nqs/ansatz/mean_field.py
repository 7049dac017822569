"""Pairs of electrons in mean fields: Fermi seas, and the d-wave superconductor on squares."""

import numpy as np
from jaxtyping import Float, Int

from hamiltonians.lattice import HYPERCUBIC, Graph, Lattice

ON_SITE = 0.2


def boundary_signs(lattice: Graph) -> Int[np.ndarray, "n_sites n_sites"]:
    """σ_ij = −1 for sites whose shorter way crosses the boundary of the antiperiodic axis, 0 where both are as long.

    That is the last axis of chains, squares and cubes, where its length is a multiple of four: there periodic electrons
    have an open shell at half filling, and on rings another momentum than the ground state. On all other graphs σ = 1.
    """
    signs = np.ones((lattice.n_sites, lattice.n_sites), int)
    if not isinstance(lattice, Lattice) or lattice.kind not in HYPERCUBIC or not lattice.periodic:
        return signs
    length = lattice.extent[-1]
    if length % 4:
        return signs
    place = np.arange(lattice.n_sites) % length
    return np.sign(length - 2 * np.abs(place[:, None] - place))


def mean_field_pairs(lattice: Graph) -> Float[np.ndarray, "n_sites n_sites"]:
    """Amplitudes F_ij of pairs with the boundaries of `boundary_signs`, at most 1.

    Of a Fermi sea of half as many electrons of each spin as sites, with hopping along the bonds: F = Σ φ(i) φ(j) over
    the lowest orbitals. On periodic squares of BCS theory, F(k) = Δ/(ξ + √(ξ² + Δ²)) with ξ = −2(cos k_x + cos k_y) and
    Δ = 2(cos k_x − cos k_y) + δ, for δ = 0 the π-flux state (I. Affleck, Z. Zou, T. Hsu and P. W. Anderson, Phys. Rev.
    B 38, 745, 1988); δ = `ON_SITE` fills the nodes, of which periodic electrons occupy some.
    """
    i, j = lattice.edges().T
    signs = boundary_signs(lattice)
    hopping = np.zeros(signs.shape)
    hopping[i, j] = hopping[j, i] = -signs[i, j]
    if isinstance(lattice, Lattice) and lattice.kind == "square" and lattice.periodic and min(lattice.extent) > 2:
        is_along_last = i // lattice.extent[-1] == j // lattice.extent[-1]
        gap = ON_SITE * np.eye(len(signs))
        gap[i, j] = gap[j, i] = np.where(is_along_last, -1, 1) * signs[i, j]
        squares, waves = np.linalg.eigh(hopping @ hopping + gap @ gap)
        quasiparticles = (waves * np.sqrt(np.maximum(squares, 0))) @ waves.T
        pairs = gap @ np.linalg.inv(hopping + quasiparticles)
    else:
        orbitals = np.linalg.eigh(hopping)[1][:, : len(signs) // 2]
        pairs = orbitals @ orbitals.T
    return pairs / np.abs(pairs).max()

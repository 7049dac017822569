"""Pairs of electrons in mean fields: Fermi seas, and the d-wave superconductor on squares."""

from itertools import product

import numpy as np
from jaxtyping import Float, Int

from hamiltonians.lattice import HYPERCUBIC, Graph, Lattice

# Levels and gaps that are nearer to each other than this are one.
CLOSE = 1e-9
# The least |Δ|, which bounds F(k) by 40.
GAP = 0.2

Matrix = Float[np.ndarray, "n_sites n_sites"]


def boundary_signs(graph: Graph) -> Int[np.ndarray, "n_sites n_sites"]:
    """σ_ij = −1 for each antiperiodic axis whose boundary the shorter way between two sites crosses, 0 where both ways
    are as long.

    A translation along an axis of length L multiplies the state of all pairs by its sign as a permutation, and by −1 if
    the axis is antiperiodic and N/L odd. Axes with odd N/L, rings for example, are antiperiodic where L is a multiple
    of four: the ground state of an antiferromagnet has that momentum. Of the others as many are periodic as leave no
    shell open.
    """
    extent = _periodic_extent(graph)
    if not extent:
        return np.ones((graph.n_sites, graph.n_sites), int)
    choices = []
    for length in extent:
        is_fixed = graph.n_sites // length % 2 == 1
        choices.append([length % 4 == 0] if is_fixed else [False, True] if length > 2 else [False])
    fewest_first = sorted(product(*choices), key=sum)
    of_axes = [_signs(extent, axes) for axes in fewest_first]
    return next((signs for signs in of_axes if _is_closed(graph, signs)), of_axes[0])


def mean_field_pairs(graph: Graph, signs: Int[np.ndarray, "n_sites n_sites"]) -> Matrix:
    """Amplitudes F_ij of pairs with the boundaries of these `boundary_signs`, at most 1.

    Of a Fermi sea of half as many electrons of each spin as sites, with hopping along the bonds: F = Σ φ(i) φ(j) over
    the lowest orbitals, those of an open shell in equal parts. On periodic squares of BCS theory, F(k) =
    Δ/(ξ + √(ξ² + Δ²)) with ξ = −2(cos k_x + cos k_y) and Δ = 2(cos k_x − cos k_y), the π-flux state (I. Affleck, Z.
    Zou, T. Hsu and P. W. Anderson, Phys. Rev. B 38, 745, 1988); |Δ| is at least `GAP`.
    """
    hopping, gap = _fields(graph, signs)
    if gap is None:
        levels, orbitals = np.linalg.eigh(hopping)
        n_pairs = graph.n_sites // 2
        below, at = levels < levels[n_pairs - 1] - CLOSE, np.abs(levels - levels[n_pairs - 1]) <= CLOSE
        pairs = (orbitals * (below + at * (n_pairs - below.sum()) / at.sum())) @ orbitals.T
    else:
        gaps, waves = np.linalg.eigh(gap)
        gap = (waves * np.where(gaps < -CLOSE, -1, 1) * np.maximum(np.abs(gaps), GAP)) @ waves.T
        squares, waves = np.linalg.eigh(hopping @ hopping + gap @ gap)
        pairs = gap @ np.linalg.inv(hopping + (waves * np.sqrt(squares)) @ waves.T)
    return pairs / np.abs(pairs).max()


def _periodic_extent(graph: Graph) -> tuple[int, ...]:
    if isinstance(graph, Lattice):
        return graph.extent if graph.kind in HYPERCUBIC and graph.periodic else ()
    return (graph.n_sites,) if graph.is_even_ring else ()


def _signs(extent: tuple[int, ...], antiperiodic: tuple[bool, ...]) -> Int[np.ndarray, "n n"]:
    places = np.indices(extent).reshape(len(extent), -1)
    signs = np.ones((places.shape[1], places.shape[1]), int)
    for place, length, changes in zip(places, extent, antiperiodic, strict=True):
        if changes:
            signs *= np.sign(length - 2 * np.abs(place[:, None] - place))
    return signs


def _fields(graph: Graph, signs: Int[np.ndarray, "n n"]) -> tuple[Matrix, Matrix | None]:
    """ξ, and Δ on a square, as matrices."""
    i, j = graph.edges().T
    hopping = np.zeros(signs.shape)
    hopping[i, j] = hopping[j, i] = -signs[i, j]
    if not isinstance(graph, Lattice) or graph.kind != "square" or not graph.periodic or min(graph.extent) < 3:
        return hopping, None
    gap = np.zeros(signs.shape)
    is_along_last = i // graph.extent[-1] == j // graph.extent[-1]
    gap[i, j] = gap[j, i] = np.where(is_along_last, -1, 1) * signs[i, j]
    return hopping, gap


def _is_closed(graph: Graph, signs: Int[np.ndarray, "n n"]) -> bool:
    hopping, gap = _fields(graph, signs)
    if gap is not None:
        return bool(np.linalg.eigvalsh(hopping @ hopping + gap @ gap)[0] > CLOSE)
    levels = np.linalg.eigvalsh(hopping)
    return bool(levels[len(levels) // 2] - levels[len(levels) // 2 - 1] > CLOSE)

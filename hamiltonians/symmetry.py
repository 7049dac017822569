"""Symmetry groups of lattices as permutations of the sites."""

from itertools import permutations, product

import numpy as np
from jaxtyping import Int

from hamiltonians.lattice import HYPERCUBIC, Graph, Lattice


def symmetry_group(lattice: Graph | None, kind: str) -> Int[np.ndarray, "n_elements n_sites"]:
    """The permutations g of a group, the identity among them: element g turns a configuration x into x[g].

    `kind` is `"translation"`, or `"lattice"` for the translations and the point group together.

    Raises `ValueError` for a lattice that has no such symmetry.
    """
    if not isinstance(lattice, Lattice):
        raise ValueError(f"symmetry: {kind!r} needs a lattice")
    moves = translations(lattice)
    if kind == "translation":
        return moves
    return np.unique(np.concatenate([moves[:, element] for element in point_group(lattice)]), axis=0)


def translations(lattice: Lattice) -> Int[np.ndarray, "n_cells n_sites"]:
    """The site that each site is moved to by every translation; the identity is the first.

    Raises `ValueError` for a lattice that is not periodic.
    """
    if not lattice.periodic:
        raise ValueError("symmetry: translations need a periodic lattice")
    cells = np.arange(int(np.prod(lattice.extent))).reshape(lattice.extent)
    axes = tuple(range(cells.ndim))
    shifted = np.stack([np.roll(cells, [-s for s in shift], axes).ravel() for shift in np.ndindex(*lattice.extent)])
    per_cell = lattice.n_sites // cells.size
    return (shifted[:, :, None] * per_cell + np.arange(per_cell)).reshape(len(shifted), -1)


def point_group(lattice: Lattice) -> Int[np.ndarray, "n_elements n_sites"]:
    """Rotations and reflections of a periodic lattice: about site 0 those of the axes of equal length of a hypercubic
    lattice, about the centre of a hexagon all twelve of the others.

    Raises `ValueError` for a lattice that is not periodic, or whose lengths do not allow them.
    """
    if not lattice.periodic:
        raise ValueError("symmetry: a point group needs a periodic lattice")
    if lattice.kind not in HYPERCUBIC:
        from hamiltonians.netket_lattice import netket_point_group

        return netket_point_group(lattice.kind, lattice.extent)
    dimension, extent = len(lattice.extent), lattice.extent
    places = np.indices(extent).reshape(dimension, -1)
    elements = []
    for order in permutations(range(dimension)):
        if [extent[axis] for axis in order] != list(extent):
            continue
        for signs in product((1, -1), repeat=dimension):
            moved = np.array(signs)[:, None] * places[list(order)] % np.array(extent)[:, None]
            elements.append(np.ravel_multi_index(tuple(moved), extent))
    return np.unique(np.array(elements), axis=0)

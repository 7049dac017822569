"""Symmetry groups of lattices as permutations of the sites."""

from itertools import permutations, product

import numpy as np
from jaxtyping import Int

from hamiltonians.lattice import HYPERCUBIC, Graph, Lattice


def symmetry_group(
    lattice: Graph | None, kind: str, unit_cell: tuple[int, ...] | None = None
) -> Int[np.ndarray, "n_elements n_sites"]:
    """The permutations g of a group, the identity among them: element g turns a configuration x into x[g].

    `kind` is `"translation"`, or `"lattice"` for the translations and the point group together; the translations are
    those by whole `unit_cell`s, so many cells of the lattice along each axis.

    Raises `ValueError` for a lattice that has no such symmetry.
    """
    if not isinstance(lattice, Lattice):
        raise ValueError(f"symmetry: {kind!r} needs a lattice")
    moves = translations(lattice, unit_cell)
    if kind == "translation":
        return moves
    if unit_cell is not None:
        raise ValueError('unit_cell: it goes with symmetry = "translation"')
    return np.unique(np.concatenate([moves[:, element] for element in point_group(lattice)]), axis=0)


def translations(
    lattice: Lattice, unit_cell: tuple[int, ...] | None = None
) -> Int[np.ndarray, "n_translations n_sites"]:
    """The site that each site is moved to by every translation, by whole `unit_cell`s; the identity is the first.

    Raises `ValueError` for a lattice that is not periodic or not made of such cells.
    """
    if not lattice.periodic:
        raise ValueError("symmetry: translations need a periodic lattice")
    shifted = cell_translations(lattice.extent, unit_cell)
    per_cell = lattice.n_sites // shifted.shape[1]
    return (shifted[:, :, None] * per_cell + np.arange(per_cell)).reshape(len(shifted), -1)


def cell_translations(
    extent: tuple[int, ...], unit_cell: tuple[int, ...] | None = None
) -> Int[np.ndarray, "n_translations n_cells"]:
    """The cell that each cell of a torus is moved to by every translation, by whole `unit_cell`s; the first by none.

    Raises `ValueError` if the torus is not made of such cells.
    """
    steps = unit_cell or (1,) * len(extent)
    if len(steps) != len(extent) or any(length % step for length, step in zip(extent, steps, strict=True)):
        raise ValueError(f"unit_cell: {list(steps)} does not fill the extent {list(extent)}")
    cells = np.arange(int(np.prod(extent))).reshape(extent)
    shifts = np.array(list(np.ndindex(*(length // step for length, step in zip(extent, steps, strict=True)))))
    axes = tuple(range(len(extent)))
    return np.stack([np.roll(cells, tuple(-shift), axes).ravel() for shift in shifts * np.array(steps)])


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

"""Neighbours on lattices and on any list of edges."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Int

DIMENSIONS = {"chain": 1, "square": 2, "cubic": 3, "triangular": 2, "honeycomb": 2, "kagome": 2}
# Where there are several sites a unit cell: how many parts a lattice vector has, and the place of each site in them.
CELLS = {"honeycomb": (3, ((1, 1), (2, 2))), "kagome": (2, ((1, 0), (0, 1), (1, 1)))}
# One number for all, or one for each bond or site.
OneEach = float | Sequence[float] | Float[np.ndarray, " _"]
HYPERCUBIC = ("chain", "square", "cubic")


class Graph(abc.ABC):
    """Sites and the bonds between them."""

    @property
    @abc.abstractmethod
    def n_sites(self) -> int:
        """The number of sites."""

    @abc.abstractmethod
    def edges(self, order: int = 1) -> Int[np.ndarray, "n_edges 2"]:
        """Pairs (i, j) with i < j of nearest neighbours, or of second ones, each pair once, in ascending order."""

    def sublattices(self) -> Int[np.ndarray, " n_sites"] | None:
        """0 or 1 for each site such that nearest neighbours differ; None where there is no such division."""
        neighbours: list[list[int]] = [[] for _ in range(self.n_sites)]
        for i, j in self.edges().tolist():
            neighbours[i].append(j)
            neighbours[j].append(i)
        colours = np.full(self.n_sites, -1)
        for first in range(self.n_sites):
            if colours[first] >= 0:
                continue
            colours[first], waiting = 0, [first]
            while waiting:
                site = waiting.pop()
                for other in neighbours[site]:
                    if colours[other] < 0:
                        colours[other] = 1 - colours[site]
                        waiting.append(other)
                    elif colours[other] == colours[site]:
                        return None
        return colours

    @property
    def is_bipartite(self) -> bool:
        """Whether nearest neighbours always lie on different sublattices."""
        return self.sublattices() is not None

    @property
    def is_even_ring(self) -> bool:
        """Whether the bonds are those of a periodic chain of an even number of at least 4 sites, in order."""
        n = self.n_sites
        ring = np.stack([np.arange(n), np.roll(np.arange(n), -1)], axis=-1)
        return n >= 4 and n % 2 == 0 and np.array_equal(_unique(self.edges()), _unique(ring))


@dataclass(frozen=True)
class Lattice(Graph):
    """`kind` is one of `DIMENSIONS`, `extent` the number of unit cells along each axis.

    On the hypercubic lattices, site (i, j, k) of an extent (A, B, C) has the number (i·B + j)·C + k. The
    triangular, the honeycomb (two sites a cell) and the kagome lattice (three) are those of NetKet, with its numbers:
    cell by cell in that order; their lattice vectors are (1, 0) and (1/2, √3/2).

    Raises `ValueError` for an unknown kind, a wrong number of lengths or a length below one.
    """

    kind: str
    extent: tuple[int, ...]
    periodic: bool = True

    def __post_init__(self):
        if self.kind not in DIMENSIONS:
            raise ValueError(f"unknown lattice {self.kind!r}: one of {', '.join(DIMENSIONS)}")
        if len(self.extent) != DIMENSIONS[self.kind]:
            raise ValueError(f"a {self.kind} lattice needs {DIMENSIONS[self.kind]} lengths, not {len(self.extent)}")
        if min(self.extent) < 1:
            raise ValueError(f"lengths must be at least 1, not {list(self.extent)}")
        if self.kind not in HYPERCUBIC and self.periodic and min(self.extent) < 3:
            raise ValueError(f"a periodic {self.kind} lattice needs lengths of at least 3, not {list(self.extent)}")

    @property
    def n_sites(self) -> int:
        return int(np.prod(self.extent)) * self.sites_per_cell

    @property
    def sites_per_cell(self) -> int:
        """The number of sites in a unit cell."""
        return len(CELLS[self.kind][1]) if self.kind in CELLS else 1

    @property
    def grid(self) -> tuple[int, ...]:
        """The numbers of places along the lattice vectors in which all sites have one: three for each honeycomb cell,
        two for each kagome cell, else one.
        """
        parts, _ = CELLS.get(self.kind, (1, ()))
        return tuple(parts * length for length in self.extent)

    def places(self) -> Int[np.ndarray, "n_sites dimension"]:
        """Where each site is on `grid`: the site is at Σ_a (place_a/grid_a)·L_a·(lattice vector a), but for a shift of
        all sites together.
        """
        parts, basis = CELLS.get(self.kind, (1, ((0,) * len(self.extent),)))
        cells = np.indices(self.extent).reshape(len(self.extent), -1).T
        return (parts * cells[:, None] + np.array(basis)).reshape(self.n_sites, -1)

    def edges(self, order: int = 1) -> Int[np.ndarray, "n_edges 2"]:
        """Pairs (i, j) with i < j of nearest neighbours, or of second ones, each pair once, in ascending order.

        Second neighbours are two sites apart on a chain, diagonal on a square or on the face of a cube. A periodic
        axis of length 2 has one bond between its two sites, not two; an axis of length 1 has none.
        """
        if self.kind not in HYPERCUBIC:
            from hamiltonians.netket_lattice import netket_edges

            return _unique(netket_edges(self.kind, self.extent, self.periodic, order))
        number = np.arange(self.n_sites).reshape(self.extent)
        place = np.indices(self.extent)
        pairs = []
        for shift in _shifts(len(self.extent), order):
            target = np.roll(number, [-step for step in shift], tuple(range(len(shift))))
            stays = [
                (place[axis] + step >= 0) & (place[axis] + step < self.extent[axis]) for axis, step in enumerate(shift)
            ]
            kept = np.all(stays, axis=0) | self.periodic
            pairs.append(np.stack([number[kept], target[kept]], axis=-1))
        return _unique(np.concatenate(pairs))


@dataclass(frozen=True)
class EdgeList(Graph):
    """Any graph: `pairs` of sites, numbered from 0; `second` are those of second neighbours, where a model has them.

    Raises `ValueError` for a site that does not exist, or a pair that is one site or appears twice.
    """

    size: int
    pairs: tuple[tuple[int, int], ...]
    second: tuple[tuple[int, int], ...] = ()

    def __post_init__(self):
        for name, pairs in (("edges", self.pairs), ("second_edges", self.second)):
            seen = set()
            for i, j in pairs:
                if not (0 <= i < self.size and 0 <= j < self.size):
                    raise ValueError(
                        f"{name}: [{i}, {j}] names a site that does not exist; there are 0 to {self.size - 1}"
                    )
                if i == j or frozenset((i, j)) in seen:
                    raise ValueError(f"{name}: [{i}, {j}] is {'no bond' if i == j else 'there twice'}")
                seen.add(frozenset((i, j)))

    @property
    def n_sites(self) -> int:
        return self.size

    def edges(self, order: int = 1) -> Int[np.ndarray, "n_edges 2"]:
        """The pairs (i, j) with i < j, in the order they are given in."""
        return np.sort(np.array(self.pairs if order == 1 else self.second, dtype=int).reshape(-1, 2), axis=-1)


def one_each(name: str, values: OneEach, count: int, what: str) -> Float[np.ndarray, " n"]:
    """One value for each of `count` bonds or sites, from one for all or a sequence.

    Raises `ValueError` naming the key if there are more or fewer.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim > 1 or (array.ndim == 1 and len(array) != count):
        raise ValueError(f"{name}: {array.size} values for {count} {what}")
    return np.broadcast_to(array, (count,)).copy()


def _shifts(dimension: int, order: int) -> list[tuple[int, ...]]:
    """The steps to nearest neighbours, or to second ones, one of each pair of opposite steps."""
    if dimension == 1:
        return [(order,)]
    steps = [step for step in product((-1, 0, 1), repeat=dimension) if np.count_nonzero(step) == order]
    return [step for step in steps if next(s for s in step if s) > 0]


def _unique(pairs: Int[np.ndarray, "n 2"]) -> Int[np.ndarray, "n_edges 2"]:
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return np.unique(np.sort(pairs, axis=-1), axis=0)

"""Neighbours on the chain, the square and the cubic lattice."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

DIMENSIONS = {"chain": 1, "square": 2, "cubic": 3}


@dataclass(frozen=True)
class Lattice:
    """A hypercubic lattice: `kind` is `"chain"`, `"square"` or `"cubic"`, `extent` its length along each axis.

    Site (i, j, k) of a lattice with extent (A, B, C) has the number (i·B + j)·C + k.

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

    @property
    def n_sites(self) -> int:
        return int(np.prod(self.extent))

    @property
    def is_bipartite(self) -> bool:
        """Whether neighbours always lie on different sublattices of the checkerboard."""
        return not self.periodic or all(length % 2 == 0 or length == 1 for length in self.extent)

    def edges(self) -> Int[np.ndarray, "n_edges 2"]:
        """Pairs (i, j) with i < j of nearest neighbours, each pair once, in ascending order.

        A periodic axis of length 2 has one bond between its two sites, not two; an axis of length 1 has none.
        """
        number = np.arange(self.n_sites).reshape(self.extent)
        pairs = []
        for axis, length in enumerate(self.extent):
            first, second = number, np.roll(number, -1, axis)
            if not self.periodic or length <= 2:
                first, second = (np.take(a, range(length - 1), axis) for a in (first, second))
            pairs.append(np.stack([first.ravel(), second.ravel()], axis=-1))
        return np.unique(np.sort(np.concatenate(pairs), axis=-1), axis=0)

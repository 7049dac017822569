"""Lattices that NetKet knows; it costs seconds to import, and only who asks for one of them pays."""

from typing import Any, cast

import numpy as np
from jaxtyping import Int


def netket_edges(kind: str, extent: tuple[int, ...], periodic: bool, order: int) -> Int[np.ndarray, "n_edges 2"]:
    """Nearest (`order` 1) or second (2) neighbours of a triangular, honeycomb or kagome lattice."""
    graph = _graph(kind, extent, periodic, order)
    return np.array([edge[:2] for edge in graph.edges(return_color=True) if edge[2] == order - 1], dtype=int)


def netket_point_group(kind: str, extent: tuple[int, ...]) -> Int[np.ndarray, "n_elements n_sites"]:
    """The rotations and reflections (C6v) of a periodic triangular, honeycomb or kagome lattice.

    Raises `ValueError` for lengths that differ, which only some of them keep.
    """
    if len(set(extent)) > 1:
        raise ValueError(f"symmetry: the point group of a {kind} lattice needs equal lengths, not {list(extent)}")
    return np.asarray(_graph(kind, extent, True, 1).point_group(), dtype=int)


def _graph(kind: str, extent: tuple[int, ...], periodic: bool, order: int) -> Any:
    import netket

    nk = cast(Any, netket)  # incomplete annotations

    lattices = {"triangular": nk.graph.Triangular, "honeycomb": nk.graph.Honeycomb, "kagome": nk.graph.Kagome}
    return lattices[kind](list(extent), pbc=periodic, max_neighbor_order=order)

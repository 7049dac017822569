"""Lattices that NetKet knows; it costs seconds to import, and only who asks for one of them pays."""

from typing import Any, cast

import numpy as np
from jaxtyping import Int


def netket_edges(kind: str, extent: tuple[int, ...], periodic: bool, order: int) -> Int[np.ndarray, "n_edges 2"]:
    """Nearest (`order` 1) or second (2) neighbours of a triangular, honeycomb or kagome lattice."""
    import netket

    nk = cast(Any, netket)  # incomplete annotations

    lattices = {"triangular": nk.graph.Triangular, "honeycomb": nk.graph.Honeycomb, "kagome": nk.graph.Kagome}
    graph = lattices[kind](list(extent), pbc=periodic, max_neighbor_order=order)
    return np.array([edge[:2] for edge in graph.edges(return_color=True) if edge[2] == order - 1], dtype=int)

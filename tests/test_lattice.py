"""Neighbours on lattices."""

import netket as nk
import numpy as np
import pytest

from hamiltonians.lattice import Lattice


def edge_list(lattice: Lattice) -> list[tuple[int, ...]]:
    return [tuple(edge) for edge in lattice.edges().tolist()]


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize(
    ("kind", "extent"), [("chain", (3,)), ("chain", (8,)), ("square", (3, 4)), ("square", (5, 3)), ("cubic", (3, 4, 5))]
)
def test_edges_are_those_of_netket(kind, extent, periodic):
    graph = nk.graph.Grid(list(extent), pbc=periodic)
    expected = sorted(tuple(sorted(edge)) for edge in graph.edges())
    assert edge_list(Lattice(kind, extent, periodic)) == expected


@pytest.mark.parametrize(("kind", "extent"), [("chain", (3,)), ("square", (4, 3)), ("cubic", (4, 3, 5))])
def test_periodic_sites_have_two_neighbours_an_axis(kind, extent):
    edges = Lattice(kind, extent).edges()
    assert len(edges) == len(extent) * np.prod(extent)
    assert set(np.bincount(edges.ravel())) == {2 * len(extent)}


@pytest.mark.parametrize(
    ("kind", "extent", "periodic", "count"),
    [
        ("chain", (1,), True, 0),
        ("chain", (1,), False, 0),
        ("chain", (2,), True, 1),
        ("chain", (2,), False, 1),
        ("chain", (5,), False, 4),
        ("square", (2, 2), True, 4),
        ("square", (2, 5), True, 5 + 10),
        ("square", (1, 4), True, 4),
        ("square", (3, 4), False, 2 * 4 + 3 * 3),
        ("cubic", (2, 2, 2), True, 12),
        ("cubic", (3, 1, 2), True, 6 + 3),
    ],
)
def test_number_of_edges(kind, extent, periodic, count):
    edges = edge_list(Lattice(kind, extent, periodic))
    assert len(edges) == len(set(edges)) == count
    assert all(i < j for i, j in edges)
    assert edges == sorted(edges)


def test_sites_are_numbered_with_the_last_axis_fastest():
    assert edge_list(Lattice("square", (2, 3), periodic=False)) == [
        (0, 1),
        (0, 3),
        (1, 2),
        (1, 4),
        (2, 5),
        (3, 4),
        (4, 5),
    ]


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("extent", [(4, 4), (3, 4), (4, 3), (2, 6), (1, 4), (1, 3), (1, 1)])
def test_bipartite_means_two_colours(extent, periodic):
    lattice = Lattice("square", extent, periodic)
    colours = np.indices(extent).sum(axis=0).ravel() % 2
    i, j = lattice.edges().T
    assert lattice.is_bipartite == bool(np.all(colours[i] != colours[j]))


@pytest.mark.parametrize(
    ("kind", "extent"), [("ring", (4,)), ("chain", (4, 4)), ("square", (4,)), ("chain", (0,)), ("cubic", (2, -1, 2))]
)
def test_bad_lattices_are_refused(kind, extent):
    with pytest.raises(ValueError, match=r"lattice|lengths"):
        Lattice(kind, extent)

"""Neighbours on lattices."""

import netket as nk
import numpy as np
import pytest

from hamiltonians.lattice import EdgeList, Lattice, one_each


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


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize(
    ("kind", "extent"), [("chain", (5,)), ("chain", (8,)), ("square", (5, 6)), ("square", (4, 4)), ("cubic", (3, 4, 5))]
)
def test_second_neighbours_are_those_of_netket(kind, extent, periodic):
    graph = nk.graph.Grid(list(extent), pbc=periodic, max_neighbor_order=2, color_edges=False)
    expected = sorted(tuple(sorted(edge[:2])) for edge in graph.edges(return_color=True) if edge[2] == 1)
    found = [tuple(edge) for edge in Lattice(kind, extent, periodic).edges(2).tolist()]
    assert found == expected


@pytest.mark.parametrize(
    ("kind", "n_sites", "neighbours", "second"),
    [("triangular", 12, 6, 6), ("honeycomb", 24, 3, 6), ("kagome", 36, 4, 4)],
)
def test_periodic_lattices_of_netket_have_the_known_coordination(kind, n_sites, neighbours, second):
    lattice = Lattice(kind, (3, 4))
    assert lattice.n_sites == n_sites
    assert set(np.bincount(lattice.edges().ravel())) == {neighbours}
    assert set(np.bincount(Lattice(kind, (4, 5)).edges(2).ravel())) == {second}
    assert lattice.is_bipartite == (kind == "honeycomb")
    assert len(Lattice(kind, (3, 4), periodic=False).edges()) < len(lattice.edges())


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


def test_an_edge_list_is_a_graph_of_its_own():
    star = EdgeList(5, ((3, 0), (0, 1), (0, 4)), second=((1, 4),))
    np.testing.assert_array_equal(star.edges(), [(0, 3), (0, 1), (0, 4)])
    np.testing.assert_array_equal(star.edges(2), [(1, 4)])
    np.testing.assert_array_equal(star.sublattices(), [0, 1, 0, 1, 1])
    assert not EdgeList(3, ((0, 1), (1, 2), (0, 2))).is_bipartite
    assert EdgeList(4, ((2, 3), (0, 1), (1, 2), (3, 0))).is_even_ring
    assert not EdgeList(4, ((0, 2), (2, 1), (1, 3), (3, 0))).is_even_ring


@pytest.mark.parametrize("pairs", [((0, 3),), ((0, 0),), ((0, 1), (1, 0)), ((-1, 1),)])
def test_bad_edges_are_refused(pairs):
    with pytest.raises(ValueError, match=r"edges: \["):
        EdgeList(3, pairs)


def test_one_value_for_all_or_one_for_each():
    np.testing.assert_array_equal(one_each("coupling", 2.0, 3, "bonds"), [2, 2, 2])
    np.testing.assert_array_equal(one_each("coupling", [1, 2, 3], 3, "bonds"), [1, 2, 3])
    with pytest.raises(ValueError, match="coupling: 2 values for 3 bonds"):
        one_each("coupling", [1, 2], 3, "bonds")

"""Groups of lattice symmetries, and machines whose weights they tie."""

import jax
import numpy as np
import pytest
from systems import log_psi

from hamiltonians.lattice import EdgeList, Lattice
from hamiltonians.symmetry import point_group, symmetry_group
from nqs.ansatz.symmetric_rbm import SymmetricRBM

LATTICES = [
    (Lattice("chain", (6,)), 6, 12),
    (Lattice("square", (3, 3)), 9, 72),
    (Lattice("square", (3, 4)), 12, 48),
    (Lattice("cubic", (3, 3, 3)), 27, 27 * 48),
]


@pytest.mark.parametrize(("lattice", "n_translations", "n_elements"), LATTICES)
def test_groups_are_groups_that_keep_the_bonds(lattice, n_translations, n_elements):
    """Closed under products, and every element maps the set of bonds onto itself."""
    assert len(symmetry_group(lattice, "translation")) == n_translations
    group = symmetry_group(lattice, "lattice")
    assert len(group) == n_elements
    known = {element.tobytes() for element in group}
    random = np.random.default_rng(0)
    for first, second in group[random.integers(len(group), size=(50, 2))]:
        assert np.ascontiguousarray(first[second]).tobytes() in known
    for element in group:
        moved = np.unique(np.sort(element[lattice.edges()], axis=-1), axis=0)
        np.testing.assert_array_equal(moved, lattice.edges())


@pytest.mark.parametrize("kind", ["triangular", "honeycomb", "kagome"])
def test_translations_of_lattices_with_a_basis_keep_the_bonds(kind):
    lattice = Lattice(kind, (3, 4))
    for element in symmetry_group(lattice, "translation"):
        moved = np.unique(np.sort(element[lattice.edges()], axis=-1), axis=0)
        np.testing.assert_array_equal(moved, lattice.edges())


def test_symmetries_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="needs a lattice"):
        symmetry_group(EdgeList(3, ((0, 1),)), "translation")
    with pytest.raises(ValueError, match="periodic"):
        symmetry_group(Lattice("chain", (4,), periodic=False), "translation")
    with pytest.raises(ValueError, match="point group"):
        point_group(Lattice("honeycomb", (3, 3)))


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("visible_bias", [True, False])
def test_a_symmetric_machine_is_invariant_and_equals_its_expansion(dtype, visible_bias):
    group = symmetry_group(Lattice("square", (3, 3)), "lattice")
    machine = SymmetricRBM(group, 2, key=jax.random.key(0), visible_bias=visible_bias, dtype=dtype, stddev=0.3)
    x = np.random.default_rng(1).choice([-1, 1], (20, 9)).astype(np.int8)
    values = np.asarray(log_psi(machine, x))
    assert np.ptp(values.real) > 0.1
    for element in group[::7]:
        np.testing.assert_allclose(log_psi(machine, x[:, element]), values, rtol=0, atol=1e-12)
    expanded = machine.expanded()
    assert expanded.weights.shape == (9, 2 * len(group))
    np.testing.assert_allclose(log_psi(expanded, x), values, rtol=0, atol=1e-11)

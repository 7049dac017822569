"""Ewald's sum against closed forms, direct sums and its own invariances."""

from itertools import permutations, product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamiltonians.ewald import Ewald

HEXAGONAL = np.array([[1.0, 0.0], [0.5, 3**0.5 / 2]])
TRICLINIC = np.array([[1.1, 0.0, 0.1], [0.2, 0.9, 0.0], [-0.3, 0.2, 1.2]])
BODY_CENTRED = np.ones((3, 3)) / 2 - np.eye(3)
FACE_CENTRED = (np.ones((3, 3)) - np.eye(3)) / 2

energies = eqx.filter_jit(lambda ewald, batch: jax.vmap(ewald)(batch))


def energy(ewald: Ewald, x) -> float:
    return float(energies(ewald, jnp.asarray(x)[None])[0])


def hurwitz_zeta(a: float) -> float:
    """ζ(1/2, a) by the formula of Euler and Maclaurin."""
    k = np.arange(1000) + a
    end = 1000 + a
    return float(np.sum(k**-0.5) - 2 * end**0.5 + 0.5 * end**-0.5 + end**-1.5 / 24)


def energy_of_charges(ewald: Ewald, charges, x) -> float:
    """The energy of a cell of any charges, from the energies φ(r) + v_M of two of them."""
    i, j = np.triu_indices(len(x), 1)
    couples = jnp.asarray(np.stack([np.asarray(x, dtype=float)[i], np.asarray(x, dtype=float)[j]], axis=1))
    products = np.asarray(charges)[i] * np.asarray(charges)[j]
    potential = np.asarray(energies(ewald, couples)) - ewald.madelung
    return float(0.5 * ewald.madelung * np.sum(np.square(charges)) + products @ potential)


@pytest.mark.parametrize(
    ("cell", "exact"),
    [
        (np.eye(2), 2 * hurwitz_zeta(1) * (hurwitz_zeta(1 / 4) - hurwitz_zeta(3 / 4))),
        (HEXAGONAL, 2 * 3**0.5 * hurwitz_zeta(1) * (hurwitz_zeta(1 / 3) - hurwitz_zeta(2 / 3))),
        (3.0 * np.eye(3), -2.83729747948 / 3),
        (BODY_CENTRED, -2 * 0.895929255682 * (8 * np.pi / 3) ** (1 / 3)),
        (FACE_CENTRED, -2 * 0.895873615195 * (16 * np.pi / 3) ** (1 / 3)),
    ],
    ids=["square", "hexagonal", "cubic", "body_centred", "face_centred"],
)
def test_madelung_constants(cell, exact):
    """Closed forms in two dimensions, such as 4 ζ(1/2) β(1/2), and in three the Wigner crystals of the literature."""
    assert Ewald(cell).madelung == pytest.approx(exact, abs=1e-10)


def test_ionic_crystals():
    """The Madelung constants of rock salt, caesium chloride and the square of alternating charges."""
    corners = np.array(list(product((0, 1), repeat=3)))
    signs = (-1.0) ** corners.sum(axis=1)
    assert energy_of_charges(Ewald(2 * np.eye(3)), signs, corners) == pytest.approx(-4 * 1.7475645946331822, abs=1e-9)
    caesium = energy_of_charges(Ewald(np.eye(3)), [1.0, -1.0], np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]))
    assert caesium == pytest.approx(-1.76267477307099 / (3**0.5 / 2), abs=1e-9)
    plane = corners[::2, :2]
    square = energy_of_charges(Ewald(2 * np.eye(2)), (-1.0) ** plane.sum(axis=1), plane)
    assert square == pytest.approx(-2 * 1.6155426267128247, abs=1e-9)


@pytest.mark.parametrize("dim", [2, 3])
def test_direct_sum(dim):
    """Two opposite shells of charges on one circle or sphere, each with the symmetry of the cell, have neither a dipole
    nor a quadrupole: the direct sum over cells in a ball converges without any of Ewald's means.
    """
    radius = 0.3
    first, second = (radius * np.array(v[:dim]) / np.linalg.norm(v[:dim]) for v in ((1, 3, 2), (5, 2, 0.5)))
    turns = [
        np.diag(signs)[list(order)]
        for signs in product((1, -1), repeat=dim)
        for order in permutations(range(dim))
        if np.linalg.det(np.diag(signs)[list(order)]) > 0
    ]
    x = np.concatenate([[turn @ first for turn in turns], [turn @ second for turn in turns]])
    charges = np.repeat([1.0, -1.0], len(turns))
    cells = np.array(list(product(range(-9, 10), repeat=dim)))
    cells = cells[np.linalg.norm(cells, axis=1) < 9]
    direct = 0.0
    for i in range(len(x)):
        distances = np.linalg.norm(x[i] - x + cells[:, None, :], axis=-1)
        direct += 0.5 * charges[i] * np.sum(charges / np.where(distances > 0, distances, np.inf))
    assert energy_of_charges(Ewald(np.eye(dim)), charges, x) == pytest.approx(direct, abs=1e-7)


@pytest.mark.parametrize("cell", [HEXAGONAL, TRICLINIC], ids=["hexagonal", "triclinic"])
def test_invariances(cell):
    """No energy depends on α, on the origin, on where a charge is counted, or on the size of the periodic cell."""
    dim = len(cell)
    random = np.random.default_rng(dim)
    x = random.normal(size=(5, dim))
    ewald = Ewald(cell)
    expected = energy(ewald, x)
    for factor in (0.7, 1.6):
        assert energy(Ewald(cell, alpha=factor * ewald.alpha), x) == pytest.approx(expected, abs=1e-9)
    moved = x + random.normal(size=dim) + random.integers(-3, 4, size=(5, dim)) @ cell
    assert energy(ewald, moved) == pytest.approx(expected, abs=1e-9)
    double = np.concatenate([x, x + cell[0]])
    larger = np.concatenate([2 * cell[:1], cell[1:]])
    assert energy(Ewald(larger), double) == pytest.approx(2 * expected, abs=1e-9)

"""Particles in open space and in a cell, and the exact energies of harmonic traps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamiltonians.space import Particles
from hamiltonians.trap import HarmonicTrap

HEXAGONAL = np.array([[2.0, 0.0], [1.0, 3**0.5]])
SKEWED = np.array([[2.0, 0.0, 0.0], [0.7, 1.9, 0.0], [-0.8, 0.6, 2.1]])


@pytest.mark.parametrize("cell", [np.diag([1.0, 2.0, 1.5]), HEXAGONAL, SKEWED], ids=["orthogonal", "hexagonal", "skew"])
def test_displacements_are_the_shortest_of_all_images(cell):
    dim = len(cell)
    r = np.random.default_rng(0).uniform(-4, 4, (60, dim))
    space = Particles(2, 1, dim, cell)
    shifts = np.stack(np.meshgrid(*[np.arange(-7, 8)] * dim), axis=-1).reshape(-1, dim)
    shortest = [np.min(np.linalg.norm(v + shifts @ cell, axis=-1)) for v in r]
    nearest = np.asarray(space.displacement(jnp.asarray(r)))
    np.testing.assert_allclose(np.linalg.norm(nearest, axis=-1), shortest, atol=1e-12)
    for moved in (nearest, np.asarray(space.wrap(jnp.asarray(r)))):
        translations = (moved - r) @ np.linalg.inv(cell)
        np.testing.assert_allclose(translations, np.round(translations), atol=1e-12)
    inside = np.asarray(space.wrap(jnp.asarray(r))) @ np.linalg.inv(cell)
    assert np.all((inside > -1e-12) & (inside < 1 + 1e-12))


def test_open_space_has_no_images():
    r = jnp.array([[9.0, -7.0]])
    space = Particles(1, 1, 2)
    assert np.array_equal(space.displacement(r), r)
    assert np.array_equal(space.wrap(r), r)


def test_starts_fill_the_cell():
    """The mean of the fractional coordinates is 1/2 and their variance 1/12, within 4σ of 3000 numbers."""
    space = Particles(500, 500, 3, SKEWED)
    fractions = np.asarray(space.random(jax.random.key(3))) @ np.linalg.inv(SKEWED)
    assert abs(fractions.mean() - 0.5) < 4 / np.sqrt(12 * 3000)
    assert abs(fractions.var() - 1 / 12) < 4 / np.sqrt(180 * 3000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0, 3), "at least one"),
        ((2, -1, 3), "n_down = -1"),
        ((1, 1, 4), "dim"),
        ((1, 1, 2, np.ones((2, 2))), "cell"),
    ],
)
def test_impossible_particles_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Particles(*arguments)
    with pytest.raises(ValueError, match="bosons have no spin"):
        Particles(1, 1, 3, are_bosons=True)


EXACT_DOTS = [
    (2, 0.1, 0.4407919),
    (2, 1 / 6, 2 / 3),
    (2, 0.5, 1.6597721),
    (2, 1.0, 3.0),
    (3, 0.1, 0.5),
    (3, 0.5, 2.0),
    (3, 1.0, 3.7301210),
]


@pytest.mark.parametrize(("dim", "omega", "energy"), EXACT_DOTS)
def test_two_electrons(dim, omega, energy):
    """Closed forms, and between them the energies that others computed to seven digits."""
    assert HarmonicTrap(1, 1, dim, omega).reference_energy() == pytest.approx(energy, abs=1e-7)


def test_two_polarised_electrons():
    """r e^{−ωr²/4} (1 + r/(2l + d − 1)) with l = 1 is exact at ω = 1/(2l + d − 1): E = ω (l + 2 + d), d/2 of it of the
    relative motion and 1 of the polynomial more than the oscillator's."""
    for dim in (2, 3):
        omega = 1 / (dim + 1)
        assert HarmonicTrap(2, 0, dim, omega, open_shells=True).reference_energy() == pytest.approx(
            omega * (dim + 2), abs=1e-10
        )


@pytest.mark.parametrize(("nu", "zero"), [(1, 0.0), (2, 1.0), (3, 3**0.5), (4, (3 + 6**0.5) ** 0.5)])
@pytest.mark.parametrize("dim", [1, 3])
def test_two_hard_cores(dim, nu, zero):
    """The relative motion ends at the largest zero of a Hermite polynomial, whose level ν then is the lowest."""
    for omega in (1.0, 0.3):
        diameter = max(zero, 1e-9) / omega**0.5
        trap = HarmonicTrap(2, 0, dim, omega, "hard_core", core_diameter=diameter, are_bosons=True)
        assert trap.reference_energy() == pytest.approx(omega * (dim / 2 + nu + 0.5), abs=1e-8)
    for dim_and_diameter in ((2, 1.0), (dim, 40.0), (dim, 100.0)):
        n, diameter = dim_and_diameter
        trap = HarmonicTrap(2, 0, n, 1.0, "hard_core", core_diameter=diameter, open_shells=True)
        assert trap.reference_energy() is None


def test_levels_without_interaction():
    def energy(n_up, n_down, dim, omega=1.0, **keys):
        return HarmonicTrap(n_up, n_down, dim, omega, "none", open_shells=True, **keys).reference_energy()

    assert energy(6, 6, 2, 0.5) == pytest.approx(2 * 0.5 * (1 + 2 * 2 + 3 * 3))
    assert energy(4, 1, 3) == pytest.approx(1.5 + 3 * 2.5 + 1.5)
    assert energy(3, 0, 1, 2.0) == pytest.approx(2.0 * (0.5 + 1.5 + 2.5))
    assert energy(2, 0, 2, [1.0, 3.0]) == pytest.approx(2.0 + 3.0)
    assert energy(10, 0, 3, [1.0, 1.0, 8**0.5], are_bosons=True) == pytest.approx(10 * (1 + 8**0.5 / 2))


def test_potential():
    x = jnp.array([[0.0, 3.0], [4.0, 0.0], [0.0, 0.0]])
    trap = np.sum(np.asarray(x) ** 2 * [0.5, 2.0])
    repulsion = 1 / 5 + 1 / 4 + 1 / 3
    assert HarmonicTrap(2, 1, 2, [1.0, 2.0]).potential(x) == pytest.approx(trap + repulsion)
    softened = HarmonicTrap(2, 1, 2, [1.0, 2.0], softening=0.7).potential_terms(x)["interaction"]
    assert softened == pytest.approx(sum(1 / np.sqrt(r**2 + 0.49) for r in (5, 4, 3)))
    hard = HarmonicTrap(3, 0, 2, [1.0, 2.0], "hard_core", core_diameter=2.9, are_bosons=True)
    assert hard.potential(x) == pytest.approx(trap)
    assert hard.potential(x * 0.9) == np.inf


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"dim": 1}, "softening"),
        ({"dim": 2, "omega": 0.0}, "omega must be positive"),
        ({"dim": 2, "omega": [1.0, 1.0, 1.0]}, "omega: 3 values for 2 axes"),
        ({"dim": 2, "softening": -1.0}, "softening = -1"),
        ({"dim": 2, "softening": 1e300}, r"softening = 1e\+300"),
        ({"dim": 2, "interaction": "none", "softening": 1.0}, "softening = 1"),
        ({"dim": 2, "interaction": "hard_core"}, "core_diameter: a hard_core interaction needs"),
        ({"dim": 2, "core_diameter": 1.0}, "core_diameter = 1"),
        ({"dim": 2, "n_up": 4}, "n_up = 4 leaves a shell of the oscillator open; 3 and 6 close it, or allow it with"),
        ({"dim": 3, "n_up": 4, "n_down": 3}, "n_down = 3 leaves a shell of the oscillator open; 1 and 4 close it"),
        ({"dim": 2, "n_up": 3, "omega": [1.0, 2.0]}, "n_up = 3 leaves .* 2 and 4 close it"),
    ],
)
def test_impossible_traps_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        HarmonicTrap(**{"n_up": 1, "n_down": 1} | keys)

"""Exact relations of the wave functions of particles: exchange, translation, periodicity and cusps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from particle_systems import CUBE, DOT, HEXAGON, configurations, pair_jastrow, plane_waves, scrambled, slater_jastrow

from nqs.ansatz.backflow import Backflow
from nqs.ansatz.geometry import Geometry
from nqs.ansatz.message_passing import MessagePassing
from nqs.ansatz.product import Product
from nqs.one_body import with_signs

KEY = jax.random.key(0)


def correlated(make, space, twist, **options):
    """A network on determinants with a Jastrow factor, as a run file builds it, with random parameters."""
    slater = plane_waves(space, twist)
    wave = make(slater, Geometry(space), space.n_up, space.dim, 4, key=KEY, **options)
    return scrambled(Product((wave, pair_jastrow(space))), 0.2)


CLASSES = {"backflow": Backflow, "message_passing": MessagePassing}
PERIODIC = {
    "slater": (CUBE, (0.1, 0.2, -0.3), plane_waves),
    "backflow": (HEXAGON, (0.25, 0.1), lambda space, twist: correlated(Backflow, space, twist)),
    "message_passing": (CUBE, (0.1, 0.2, -0.3), lambda space, twist: correlated(MessagePassing, space, twist)),
}


def log_psi(ansatz, x):
    return np.asarray(eqx.filter_jit(lambda psi, x: jax.vmap(psi)(x))(ansatz, jnp.asarray(x)))


@pytest.mark.parametrize("space", [CUBE, HEXAGON])
def test_local_features_of_near_particles_are_those_of_open_space(space):
    """(r, ℓ)/√(ℓ² + r²), whatever the cell; and as periodic as the cell."""
    geometry = Geometry(space)
    r = 0.03 * geometry.length * np.random.default_rng(0).normal(size=(5, space.dim))
    expected = np.append(r, np.full((5, 1), geometry.length), axis=1)
    expected /= np.sqrt(geometry.length**2 + np.sum(r**2, axis=1, keepdims=True))
    found = geometry.local_features(jnp.asarray(r))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    np.testing.assert_allclose(geometry.local_features(jnp.asarray(r + space.cell[0])), found, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", PERIODIC)
def test_antisymmetry_translation_and_twisted_periods(name):
    """−1 for an exchange of equal spins, e^{iK·t} for a common translation, e^{2πiθ_a} for a lattice vector."""
    space, twist, make = PERIODIC[name]
    cell, x = np.asarray(space.cell), np.asarray(configurations(space, 1)[0])
    shift = np.array([0.3, -0.7, 0.4])[: space.dim]
    swapped, moved, wrapped = x[[1, 0, *range(2, len(x))]], x + shift, x.copy()
    wrapped[2] += cell[0] - 2 * cell[1]
    values = log_psi(make(space, twist), np.stack([x, swapped, moved, wrapped]))
    ratios = np.exp(values[1:] - values[0])
    slater = plane_waves(space, twist)
    total = sum(np.sum(np.array(o.momenta) + np.array(twist), axis=0) for o in slater.species)
    expected = [
        -1,
        np.exp(2j * np.pi * total @ (shift @ np.linalg.inv(cell))),
        np.exp(2j * np.pi * (twist[0] - 2 * twist[1])),
    ]
    np.testing.assert_allclose(ratios, expected, atol=1e-9)


@pytest.mark.parametrize("name", ["slater", *CLASSES])
def test_the_sign_of_a_real_psi_is_known(name):
    """−1 for an exchange of equal spins, and no other change of the modulus."""
    space = CUBE
    options = {"is_complex": False} if name == "message_passing" else {}
    untwisted = (0.0,) * space.dim
    psi = plane_waves(space, untwisted) if name == "slater" else correlated(CLASSES[name], space, untwisted, **options)
    x = np.asarray(configurations(space, 1)[0])
    both = np.stack([x, x[[1, 0, *range(2, len(x))]]])
    moduli, values = log_psi(psi, both), log_psi(with_signs(psi), both)
    assert not np.iscomplexobj(moduli)
    np.testing.assert_allclose(values.real, moduli, atol=1e-11)
    assert np.exp(values[1] - values[0]) == pytest.approx(-1, abs=1e-9)


def test_real_and_complex_waves_are_one_determinant():
    real, x = plane_waves(CUBE, (0.0, 0.0, 0.0)), configurations(CUBE, 5)
    waves = [type(o)(o.momenta, o.twist, o.geometry, is_complex=True) for o in real.species]
    values = log_psi(real, x) - log_psi(type(real)(waves, real.sizes), x).real
    np.testing.assert_allclose(values, values[0], atol=1e-11)


@pytest.mark.parametrize("name", ["dot", "cube_message_passing"])
def test_cusps_are_exact(name):
    """Opposite spins: log ψ is even part a r with a = 1/(d − 1); equal ones: log r + a r with a = 1/(d + 1)."""
    space, ansatz = {
        "dot": lambda: (DOT, slater_jastrow(DOT)),
        "cube_message_passing": lambda: (CUBE, correlated(MessagePassing, CUBE, (0.0, 0.0, 0.0), is_complex=True)),
    }[name]()
    x, r = np.asarray(configurations(space, 1)[0]), 1e-3
    along = np.full(space.dim, space.dim**-0.5)

    def mean(i, j, distance):
        pair = np.stack([x, x])
        pair[:, i] = x[j] + distance * np.stack([along, -along])
        return log_psi(ansatz, pair).real.mean()

    opposite = (mean(0, space.n_up, 2 * r) - mean(0, space.n_up, r)) / r
    equal = (mean(0, 1, 2 * r) - mean(0, 1, r) - np.log(2)) / r
    assert opposite == pytest.approx(1 / (space.dim - 1), rel=0.02)
    assert equal == pytest.approx(1 / (space.dim + 1), rel=0.02)


def test_the_first_message_passing_state_is_the_determinant():
    slater = plane_waves(CUBE, (0.0, 0.0, 0.0))
    wave = MessagePassing(slater, Geometry(CUBE), CUBE.n_up, 3, key=KEY, is_complex=False)
    x = configurations(CUBE, 3)
    np.testing.assert_allclose(log_psi(wave, x), log_psi(slater, x), rtol=1e-12)


@pytest.mark.parametrize("is_complex", [False, True])
def test_several_determinants(is_complex):
    """ψ_0 + Σ_d c_d ψ_d is the sum of the single determinants, with its sign; at first it is the determinant."""
    slater = plane_waves(CUBE, (0.0, 0.0, 0.0))
    options = {"width": 4, "key": KEY, "is_complex": is_complex}
    wave = MessagePassing(slater, Geometry(CUBE), CUBE.n_up, 3, n_determinants=3, **options)
    x = configurations(CUBE, 6)
    np.testing.assert_allclose(log_psi(wave, x).real, log_psi(slater, x), rtol=1e-12)
    wave = scrambled(wave)
    one = MessagePassing(slater, Geometry(CUBE), CUBE.n_up, 3, **options)
    shared = [getattr(wave, name) for name in ("embedding", "rounds", "backflow")]
    one = eqx.tree_at(lambda w: [w.embedding, w.rounds, w.backflow], one, shared)
    total, (*sizes, _) = 0, (4, 1 + is_complex, 3, -1)
    for number, coefficient in enumerate([1.0, *wave.coefficients]):
        jastrow = wave.jastrow.reshape(*sizes, -1)[:, :, number].reshape(4, -1)
        single = eqx.tree_at(lambda w: w.jastrow, one, jastrow)
        total += coefficient * np.exp(log_psi(with_signs(single), x))
    np.testing.assert_allclose(np.exp(log_psi(with_signs(wave), x)), total, rtol=1e-9)
    np.testing.assert_allclose(log_psi(wave, x).real, np.log(np.abs(total)), rtol=1e-9)

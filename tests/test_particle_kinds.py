"""Exact relations of every wave function of particles that a run file names, as the builder makes it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from particle_systems import configurations, scrambled
from test_laplacian import finite_differences

from hamiltonians.electron_gas import ElectronGas
from hamiltonians.trap import HarmonicTrap
from nqs import schema
from nqs.build_particle_ansatz import build_particle_ansatz
from nqs.laplacian import kinetic_energy
from nqs.one_body import with_signs

SYSTEMS = {
    "dot": HarmonicTrap(3, 1, 2, 0.7),
    "polarised": HarmonicTrap(4, 0, 3, 0.7),
    "bosons": HarmonicTrap(3, 0, 2, [1.0, 1.4], are_bosons=True),
    "gas": ElectronGas(3, 1, 2.0, twist=(0.1, -0.2, 0.33)),
    "layer": ElectronGas(3, 1, 3.0, 2, cell="hexagonal", open_shells=True),
}
MESSAGES = {"width": 4, "rounds": 2}
TABLES = {
    "slater": schema.Slater(),
    "slater_jastrow": schema.SlaterJastrow(),
    "backflow": schema.Backflow(width=4),
    "message_passing": schema.MessagePassing(**MESSAGES, complex=True),
    "real_message_passing": schema.MessagePassing(**MESSAGES, determinants=2),
    "gaussian_rbm": schema.GaussianRBM(jastrow=True, learn_sigma=True),
    "gaussian_rbm_determinant": schema.GaussianRBM(determinant=True, jastrow=True),
}
CASES = [
    pytest.param("dot", "slater_jastrow", marks=pytest.mark.slow),
    pytest.param("dot", "backflow", marks=pytest.mark.slow),
    pytest.param("dot", "real_message_passing", marks=pytest.mark.slow),
    ("dot", "gaussian_rbm_determinant"),
    pytest.param("polarised", "backflow", marks=pytest.mark.slow),
    ("bosons", "slater_jastrow"),
    ("bosons", "gaussian_rbm"),
    ("gas", "slater"),
    pytest.param("gas", "backflow", marks=pytest.mark.slow),
    ("gas", "message_passing"),
    ("layer", "slater_jastrow"),
    ("layer", "real_message_passing"),
]


def built(system, table):
    return scrambled(build_particle_ansatz(TABLES[table], "float64", SYSTEMS[system], jax.random.key(0)), 0.2)


def log_psi(ansatz, x):
    return np.asarray(eqx.filter_jit(lambda psi, x: jax.vmap(psi)(x))(ansatz, jnp.asarray(x)))


@pytest.mark.parametrize(("system", "table"), CASES)
def test_exchange_periods_and_kinetic_energy(system, table):
    """∓1 for an exchange of equal particles, e^{2πiθ·n} for a lattice vector, and T by finite differences.

    The Gaussian-binary machine weighs each particle differently; with determinants it has their zeros alone.
    """
    hamiltonian, ansatz = SYSTEMS[system], built(system, table)
    space, x = hamiltonian.space, np.asarray(configurations(hamiltonian.space, 1)[0])
    others = [x[[1, 0, *range(2, len(x))]]]
    expected = [1.0 if space.are_bosons else -1.0]
    if space.cell is not None:
        others.append(x.copy())
        others[1][0] += 2 * np.asarray(space.cell)[0] - np.asarray(space.cell)[1]
        expected.append(np.exp(2j * np.pi * (2 * hamiltonian.twist[0] - hamiltonian.twist[1])))
    values = log_psi(with_signs(ansatz), np.stack([x, *others]))
    ratios = np.exp(values[1:] - values[0])
    if table.startswith("gaussian_rbm"):
        assert abs(ratios[0] - expected[0]) > 1e-3
        assert (ratios[0].real > 0) == (expected[0] > 0)
    else:
        np.testing.assert_allclose(ratios, expected, atol=1e-9)
    kinetic = eqx.filter_jit(lambda psi, y: kinetic_energy(psi, y, 0.5))(ansatz, x)
    differences = eqx.filter_jit(lambda psi, y: finite_differences(psi, y, 0.5))(ansatz, jnp.asarray(x))
    np.testing.assert_allclose(kinetic, differences, rtol=1e-6)


@pytest.mark.parametrize(("system", "table"), [case for case in CASES if case[1] != "slater"])
def test_cusps(system, table):
    """log ψ has a r as two particles meet, a = 1/(d − 1); log r + a r with a = 1/(d + 1) for fermions of one spin."""
    hamiltonian, ansatz = SYSTEMS[system], built(system, table)
    space, x = hamiltonian.space, np.asarray(configurations(hamiltonian.space, 1)[0])
    along = np.full(space.dim, space.dim**-0.5)

    def mean(i, j, distance):
        pair = np.stack([x, x])
        pair[:, i] = x[j] + distance * np.stack([along, -along])
        return log_psi(ansatz, pair).real.mean()

    def slope(j, has_node):
        """At r = 0, by that over two small distances."""
        over = [(mean(0, j, 2 * r) - mean(0, j, r) - has_node * np.log(2)) / r for r in (5e-4, 2.5e-4)]
        return 2 * over[1] - over[0]

    sign = -1 if space.are_bosons else 1
    assert slope(1, not space.are_bosons) == pytest.approx(1 / (space.dim + sign), rel=2e-3)
    if space.n_down:
        assert slope(space.n_up, False) == pytest.approx(1 / (space.dim - 1), rel=2e-3)


@pytest.mark.parametrize("table", ["backflow", pytest.param("real_message_passing", marks=pytest.mark.slow)])
def test_single_precision(table):
    """E_L in single precision beside double."""
    x = configurations(SYSTEMS["dot"].space, 5)
    kinetic = eqx.filter_jit(lambda psi, x: jax.lax.map(lambda y: kinetic_energy(psi, y, 0.5), x))
    ansatz = built("dot", table)
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf, ansatz)
    single, double = kinetic(narrow, x), kinetic(ansatz, x)
    assert jax.eval_shape(narrow, x[0]).dtype == jnp.float32
    assert single.dtype == jnp.float64
    np.testing.assert_allclose(single, double, rtol=5e-3, atol=5e-3)

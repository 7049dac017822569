"""Kinetic energies by the forward Laplacian against linearised gradients and finite differences."""

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
from nqs.laplacian import kinetic_energy


def messages(space, twist, **options):
    network = MessagePassing(
        plane_waves(space, twist), Geometry(space), space.n_up, space.dim, 4, **options, key=jax.random.key(0)
    )
    return scrambled(network, 0.2)


def flowing(space, twist):
    slater = plane_waves(space, twist)
    flow = Backflow(slater, Geometry(space), space.n_up, space.dim, 4, key=jax.random.key(0))
    return scrambled(Product((flow, pair_jastrow(space))), 0.2)


PSI = {
    "dot": (DOT, lambda: slater_jastrow(DOT)),
    "cube": (CUBE, lambda: scrambled(Product((plane_waves(CUBE, (0.0, 0.0, 0.0)), pair_jastrow(CUBE))))),
    "hexagon_twisted": (
        HEXAGON,
        lambda: scrambled(Product((plane_waves(HEXAGON, (0.2, 0.4)), pair_jastrow(HEXAGON)))),
    ),
    "backflow": (CUBE, lambda: flowing(CUBE, (0.0, 0.0, 0.0))),
    "messages_twisted": (CUBE, lambda: messages(CUBE, (0.1, 0.2, -0.3), is_complex=True)),
    "determinants": (CUBE, lambda: messages(CUBE, (0.0, 0.0, 0.0), n_determinants=3)),
    "determinants_twisted": (CUBE, lambda: messages(CUBE, (0.1, 0.2, -0.3), n_determinants=2, is_complex=True)),
}


LONG = ("dot", "cube", "determinants_twisted", "messages_twisted")


def looped(ansatz, x, prefactor):
    """−c Σ [∂² log ψ + (∂ log ψ)²], a derivative of the gradient at a time."""

    def part(take):
        gradient, second = jax.linearize(jax.grad(lambda y: take(ansatz(y.reshape(x.shape)))), x.ravel())
        return gradient, jnp.trace(jax.vmap(second)(jnp.eye(x.size)))

    gradient, laplacian = part(jnp.real)
    if jnp.iscomplexobj(ansatz(x)):
        imaginary = part(jnp.imag)
        gradient, laplacian = gradient + 1j * imaginary[0], laplacian + 1j * imaginary[1]
    return -prefactor * (laplacian + jnp.sum(gradient**2))


def finite_differences(ansatz, x, prefactor, h=1e-3):
    """−c (∇²ψ)/ψ from ψ at four points along each axis, of fourth order in h."""
    units = jnp.eye(x.size).reshape(-1, *x.shape)
    log_psi = jax.vmap(jax.vmap(ansatz))(x + h * jnp.array([-2.0, -1.0, 1.0, 2.0])[:, None, None, None] * units)
    ratios = jnp.exp(log_psi - ansatz(x))
    return -prefactor * jnp.sum(jnp.array([-1.0, 16.0, 16.0, -1.0]) @ ratios - 30) / (12 * h**2)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in PSI])
def test_kinetic_energies(name):
    space, make = PSI[name]
    ansatz, x = make(), configurations(space, 3)
    fast = np.asarray(eqx.filter_jit(lambda psi, x: jax.lax.map(lambda y: kinetic_energy(psi, y, 0.7), x))(ansatz, x))
    slow = np.asarray(eqx.filter_jit(lambda psi, x: jax.lax.map(lambda y: looped(psi, y, 0.7), x))(ansatz, x))
    np.testing.assert_allclose(fast, slow, rtol=1e-9)
    differences = eqx.filter_jit(lambda psi, y: finite_differences(psi, y, 0.7))(ansatz, x[0])
    np.testing.assert_allclose(fast[0], differences, rtol=1e-6)
    assert np.iscomplexobj(fast) == name.endswith("twisted")

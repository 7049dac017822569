"""log cosh without a logarithm: to a rounding, with its derivatives, at any argument."""

import jax
import jax.numpy as jnp
import numpy as np

import hamiltonians  # noqa: F401  # double precision
from nqs.ansatz.log_cosh import layer_log_cosh, log_cosh

Z = np.concatenate([np.linspace(-40, 40, 20_001), [1e-8, -1e-8, 700.0, -1e300]])


def test_the_activation_is_log_cosh_to_a_rounding():
    found, exact = np.asarray(layer_log_cosh(jnp.asarray(Z))), np.logaddexp(Z, -Z) - np.log(2)
    np.testing.assert_allclose(found, exact, rtol=4e-16, atol=4e-16)
    np.testing.assert_allclose(found, log_cosh(jnp.asarray(Z)), rtol=4e-16, atol=4e-16)
    assert layer_log_cosh(jnp.zeros(())) == 0
    assert layer_log_cosh(jnp.asarray(-jnp.inf)) == jnp.inf


def test_its_derivatives_are_those_of_log_cosh():
    first, second = jax.grad(layer_log_cosh), jax.grad(jax.grad(layer_log_cosh))
    z = Z[:-1]
    np.testing.assert_allclose(jax.vmap(first)(jnp.asarray(z)), np.tanh(z), rtol=0, atol=2e-15)
    np.testing.assert_allclose(jax.vmap(second)(jnp.asarray(z)), 1 - np.tanh(z) ** 2, rtol=0, atol=4e-15)


def test_it_takes_no_logarithm_in_double_precision():
    doubles, singles = jnp.zeros(3), jnp.zeros(3, jnp.float32)
    assert "stablehlo.log" in jax.jit(log_cosh).lower(doubles).as_text()
    assert "stablehlo.log" not in jax.jit(layer_log_cosh).lower(doubles).as_text()
    assert layer_log_cosh(singles).dtype == jnp.float32

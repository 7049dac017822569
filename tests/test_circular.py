"""Circular convolutions as products of matrices."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamiltonians  # noqa: F401  (double precision)
from nqs.ansatz.circular import circular_convolution
from nqs.ansatz.convolutional import Convolutional
from nqs.parameters import RealView


@pytest.mark.parametrize(
    ("extent", "kernel"), [((9,), 3), ((4, 6), 3), ((3, 13), 3), ((5, 7), 1), ((6, 5), 5), ((3, 4, 5), 3)]
)
def test_circular_convolutions_are_those_of_equinox(extent, kernel):
    layer = eqx.nn.Conv(
        len(extent), 2, 3, kernel, padding="SAME", padding_mode="CIRCULAR", dtype=float, key=jax.random.key(1)
    )
    z = jax.random.normal(jax.random.key(2), (*extent, 2))
    expected = np.moveaxis(np.asarray(layer(np.moveaxis(np.asarray(z), -1, 0))), 0, -1)
    np.testing.assert_allclose(circular_convolution(layer, z), expected, rtol=0, atol=1e-12)


def test_the_network_of_a_small_lattice_is_one_of_a_larger_lattice():
    """On a pattern that repeats log ψ is the same for each site, whatever the lattice."""
    small = Convolutional((4, 4), 3, 1, phase=True, key=jax.random.key(3))
    large = Convolutional((8, 12), 3, 1, phase=True, key=jax.random.key(4))
    large = RealView(large).build(jnp.asarray(RealView(small).flatten(small)))
    pattern = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (4, 4))
    whole = large(jnp.asarray(np.tile(pattern, (2, 3)).ravel()))
    np.testing.assert_allclose(whole, 6 * small(jnp.asarray(pattern.ravel())), rtol=1e-12)

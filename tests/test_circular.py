"""Circular convolutions as products of matrices."""

import equinox as eqx
import jax
import numpy as np
import pytest

import hamiltonians  # noqa: F401  (double precision)
from nqs.ansatz.circular import circular_convolution


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

"""The vision transformer: its size, its symmetry, and its attention and output against plain sums."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import log_psi

from nqs.ansatz.vision_transformer import EncoderBlock, VisionTransformer


@pytest.mark.parametrize(("extent", "patch_size"), [((12,), 3), ((4, 6), 2)])
def test_translations_by_a_patch_change_nothing_and_others_do(extent, patch_size):
    ansatz = VisionTransformer(extent, 2, 8, 2, patch_size, key=jax.random.key(0))
    x = np.random.default_rng(1).choice([-1, 1], (10, *extent)).astype(np.int8)
    values = np.asarray(log_psi(ansatz, x.reshape(10, -1)))
    assert np.ptp(values.real) > 0.1
    assert np.ptp(values.imag) > 0.1
    for axis in range(1, x.ndim):
        moved = log_psi(ansatz, np.roll(x, patch_size, axis).reshape(10, -1))
        np.testing.assert_allclose(moved, values, rtol=0, atol=1e-12)
        assert np.max(np.abs(log_psi(ansatz, np.roll(x, 1, axis).reshape(10, -1)) - values)) > 1e-2


def test_the_published_size_has_the_published_number_of_parameters():
    """155,620 for four layers of width 60 with ten heads on a square of 10 (R. Rende et al. 2024)."""
    published = jax.eval_shape(lambda: VisionTransformer((10, 10), 4, 60, 10, 2, key=jax.random.key(0)))
    assert sum(leaf.size for leaf in jax.tree.leaves(published)) == 155_620


def test_the_output_is_that_of_plain_sums():
    """With scales and shifts of its norms that are not those it begins with."""
    ansatz = VisionTransformer((4, 4), 1, 8, 2, 2, key=jax.random.key(4))
    moved = jax.tree.map(lambda leaf: leaf + 0.3 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape), ansatz)
    x = jnp.asarray(np.random.default_rng(5).choice([-1, 1], 16).astype(np.int8))

    def normed(norm, v):
        return np.asarray(norm.weight) * (v - v.mean()) / np.sqrt(v.var() + 1e-5) + np.asarray(norm.bias)

    def linear(layer, v):
        return np.asarray(layer.weight) @ v + np.asarray(layer.bias)

    tokens = moved.blocks[0](jnp.stack([moved.embedding(p.astype(float)) for p in moved._patches(x)]))
    z = normed(moved.norm, np.asarray(tokens).sum(axis=0))
    real = normed(moved.real_norm, linear(moved.output_real, z))
    imaginary = normed(moved.imaginary_norm, linear(moved.output_imaginary, z))
    np.testing.assert_allclose(np.exp(complex(moved(x))), np.prod(np.cosh(real + 1j * imaginary)), rtol=1e-9)


def test_patches_are_blocks_of_neighbours():
    ansatz = VisionTransformer((4, 6), key=jax.random.key(0))
    number = jnp.arange(24, dtype=jnp.int8)
    expected = [[6 * i + j, 6 * i + j + 1, 6 * i + j + 6, 6 * i + j + 7] for i in (0, 2) for j in (0, 2, 4)]
    np.testing.assert_array_equal(ansatz._patches(number), expected)


def test_a_block_is_that_of_plain_sums():
    """Written out for each patch and each head on a grid of 2 × 3."""
    block = EncoderBlock((2, 3), 4, 2, jax.random.key(3), jnp.dtype("float64"))
    y = np.random.default_rng(2).normal(size=(6, 4))

    def normed(v):
        return (v - v.mean()) / np.sqrt(v.var() + 1e-5)

    attention = np.asarray(block.attention).reshape(2, 2, 3)
    values = np.array([np.asarray(block.values.weight) @ normed(v) + np.asarray(block.values.bias) for v in y])
    heads = np.zeros((6, 4))
    for i in range(6):
        for j in range(6):
            difference = ((j // 3 - i // 3) % 2, (j % 3 - i % 3) % 3)
            heads[i, :2] += attention[0][difference] * values[j, :2]
            heads[i, 2:] += attention[1][difference] * values[j, 2:]
    after = y + heads @ np.asarray(block.projection.weight).T + np.asarray(block.projection.bias)
    hidden = np.array([np.asarray(block.hidden.weight) @ normed(v) + np.asarray(block.hidden.bias) for v in after])
    expected = (
        after + np.asarray(jax.nn.gelu(hidden)) @ np.asarray(block.output.weight).T + np.asarray(block.output.bias)
    )
    assert hidden.shape == (6, 16)
    np.testing.assert_allclose(eqx.filter_jit(block)(y), expected, rtol=1e-12)


def test_single_precision_is_kept():
    ansatz = VisionTransformer((4, 4), key=jax.random.key(0), dtype="float32")
    x = jnp.ones(16, jnp.int8)
    assert jax.eval_shape(lambda: ansatz(x)).dtype == jnp.complex64
    assert {leaf.dtype for leaf in jax.tree.leaves(ansatz)} == {jnp.dtype("float32")}

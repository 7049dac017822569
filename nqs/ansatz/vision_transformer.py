"""The vision transformer with factored attention."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int, Int8, Key

from hamiltonians.symmetry import cell_translations
from nqs.ansatz.base import Ansatz
from nqs.ansatz.log_cosh import log_cosh


class VisionTransformer(Ansatz):
    """A transformer whose tokens are patches of spins of a periodic hypercubic lattice; log ψ is complex.

    Each patch of `patch_size` spins along each axis is embedded linearly in `width` dimensions; `n_layers` blocks
    y ← y + attention(norm(y)), y ← y + V f(U norm(y) + c) + d with f = GELU and 4 · `width` hidden units follow. With z
    the norm of the sum over patches, log ψ = Σ_α log cosh(r_α + i q_α), where r and q are the norms of two linear maps
    of z to `width` units. All parameters are real; norms are layer norms with a scale and a shift.
    log ψ is invariant under translations by whole patches; `[ansatz.sector]` projects on those within a patch. Moves
    are evaluated by the slow defaults.

    Architecture of R. Rende, L. L. Viteritti, L. Bardone, F. Becca and S. Goldt, Commun. Phys. 7, 260 (2024), and
    L. L. Viteritti, R. Rende and F. Becca, PRL 130, 236401 (2023).

    Raises `ValueError` for patches that do not tile the lattice and heads that do not divide the width.
    """

    embedding: eqx.nn.Linear
    blocks: tuple["EncoderBlock", ...]
    norm: eqx.nn.LayerNorm
    output_real: eqx.nn.Linear
    output_imaginary: eqx.nn.Linear
    real_norm: eqx.nn.LayerNorm
    imaginary_norm: eqx.nn.LayerNorm
    extent: tuple[int, ...] = eqx.field(static=True)
    patch_size: int = eqx.field(static=True)

    def __init__(
        self,
        extent: tuple[int, ...],
        n_layers: int = 2,
        width: int = 16,
        n_heads: int = 4,
        patch_size: int = 2,
        *,
        key: Key[Array, ""],
        dtype: str = "float64",
    ):
        if any(length % patch_size for length in extent):
            raise ValueError(f"patch_size = {patch_size}: must divide the lengths {list(extent)} of the lattice")
        if width % n_heads:
            raise ValueError(f"heads = {n_heads}: must divide width = {width}")
        keys = jax.random.split(key, n_layers + 3)
        grid = tuple(length // patch_size for length in extent)
        real = jnp.dtype(dtype)
        self.extent, self.patch_size = tuple(extent), patch_size
        self.embedding = eqx.nn.Linear(patch_size ** len(extent), width, dtype=real, key=keys[0])
        self.blocks = tuple(EncoderBlock(grid, width, n_heads, keys[3 + b], real) for b in range(n_layers))
        self.norm = eqx.nn.LayerNorm(width, dtype=real)
        self.real_norm, self.imaginary_norm = (eqx.nn.LayerNorm(width, dtype=real) for _ in range(2))
        self.output_real = eqx.nn.Linear(width, width, dtype=real, key=keys[1])
        self.output_imaginary = eqx.nn.Linear(width, width, dtype=real, key=keys[2])

    def __call__(self, x: Int8[Array, " n_sites"]) -> Complex[Array, ""]:
        y = jax.vmap(self.embedding)(self._patches(x).astype(self.embedding.weight.dtype))
        for block in self.blocks:
            y = block(y)
        z = self.norm(jnp.sum(y, axis=0))
        real, imaginary = self.real_norm(self.output_real(z)), self.imaginary_norm(self.output_imaginary(z))
        return jnp.sum(log_cosh(jax.lax.complex(real, imaginary)))

    def symmetries(self) -> Int[np.ndarray, "n_translations n_sites"]:
        return cell_translations(self.extent, (self.patch_size,) * len(self.extent))

    def _patches(self, x: Int8[Array, " n_sites"]) -> Int8[Array, "n_patches spins"]:
        split = [length for total in self.extent for length in (total // self.patch_size, self.patch_size)]
        dimension = len(self.extent)
        order = (*range(0, 2 * dimension, 2), *range(1, 2 * dimension, 2))
        return x.reshape(split).transpose(order).reshape(-1, self.patch_size**dimension)


class EncoderBlock(eqx.Module):
    """y ← y + attention(norm(y)), then y ← y + V f(U norm(y) + c) + d, with f = GELU, for each patch of a grid.

    The attention is factored: head μ of patch i is Σ_j A_μ(r_j − r_i) W_μ y_j, with weights A that depend on the
    relative position alone, on the torus, and not on y.
    """

    attention_norm: eqx.nn.LayerNorm
    attention: Float[Array, "n_heads n_patches"]
    values: eqx.nn.Linear
    projection: eqx.nn.Linear
    hidden_norm: eqx.nn.LayerNorm
    hidden: eqx.nn.Linear
    output: eqx.nn.Linear
    grid: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, grid: tuple[int, ...], width: int, n_heads: int, key: Key[Array, ""], dtype: jnp.dtype):
        keys = jax.random.split(key, 5)
        n_patches = int(np.prod(grid))
        self.grid = grid
        self.attention_norm = eqx.nn.LayerNorm(width, dtype=dtype)
        self.attention = jax.random.normal(keys[0], (n_heads, n_patches), dtype) / np.sqrt(n_patches).astype(dtype)
        self.values = eqx.nn.Linear(width, width, dtype=dtype, key=keys[1])
        self.projection = eqx.nn.Linear(width, width, dtype=dtype, key=keys[2])
        self.hidden_norm = eqx.nn.LayerNorm(width, dtype=dtype)
        self.hidden = eqx.nn.Linear(width, 4 * width, dtype=dtype, key=keys[3])
        self.output = eqx.nn.Linear(4 * width, width, dtype=dtype, key=keys[4])

    def __call__(self, y: Float[Array, "n_patches width"]) -> Float[Array, "n_patches width"]:
        y = y + self._attended(jax.vmap(self.attention_norm)(y))
        return y + jax.vmap(lambda one: self.output(jax.nn.gelu(self.hidden(self.hidden_norm(one)))))(y)

    def _attended(self, y: Float[Array, "n_patches width"]) -> Float[Array, "n_patches width"]:
        n_heads, n_patches = self.attention.shape
        values = jax.vmap(self.values)(y).reshape(n_patches, n_heads, -1)
        heads = jnp.einsum("hij,jhd->ihd", self.attention[:, _differences(self.grid)], values)
        return jax.vmap(self.projection)(heads.reshape(n_patches, -1))


def _differences(grid: tuple[int, ...]) -> Int[np.ndarray, "n_patches n_patches"]:
    """The number of r_j − r_i on the torus for each pair of patches (i, j)."""
    places = np.indices(grid).reshape(len(grid), -1)
    difference = (places[:, None, :] - places[:, :, None]) % np.array(grid)[:, None, None]
    return np.asarray(np.ravel_multi_index(tuple(difference), grid))

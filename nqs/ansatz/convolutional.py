"""The periodic convolutional network."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact, Int, Int8, Key

from hamiltonians.symmetry import cell_translations
from nqs.ansatz.base import Ansatz
from nqs.ansatz.circular import circular_convolution
from nqs.ansatz.log_cosh import log_cosh


class Convolutional(Ansatz):
    """A residual network of circular convolutions on a periodic hypercubic lattice, invariant under translations.

    z = C_0 x, then z ← z + C′ f(C f(z)) in each of `n_blocks` blocks with f = GELU, then features
    h_c = Σ_i log cosh z_ic and log ψ = u·h, or u·h + i v·h with a phase. All parameters are real; every convolution has
    `channels` channels and kernels of `kernel_size` sites along each axis. No parameter knows the size of the lattice:
    those of a small one are a start for a larger one. u and v start as 1/√n_sites times numbers of order 1. Residual
    blocks as of K. He et al., ECCV 2016 (pre-activation). Moves are evaluated by the slow defaults.

    Raises `ValueError` for a kernel that is even or wider than the lattice.
    """

    first: eqx.nn.Conv
    blocks: tuple[tuple[eqx.nn.Conv, eqx.nn.Conv], ...]
    readout: eqx.nn.Linear
    extent: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        extent: tuple[int, ...],
        channels: int = 8,
        n_blocks: int = 2,
        kernel_size: int = 3,
        *,
        key: Key[Array, ""],
        phase: bool = False,
        dtype: str = "float64",
    ):
        if kernel_size % 2 == 0 or kernel_size > min(extent):
            raise ValueError(f"kernel_size = {kernel_size}: must be odd and at most {min(extent)}, the shortest length")
        keys = jax.random.split(key, 2 * n_blocks + 2)
        self.extent = tuple(extent)

        def convolution(n_in: int, k) -> eqx.nn.Conv:
            options = {"padding": "SAME", "padding_mode": "CIRCULAR", "dtype": jnp.dtype(dtype)}
            return eqx.nn.Conv(len(extent), n_in, channels, kernel_size, key=k, **options)

        self.first = convolution(1, keys[0])
        self.blocks = tuple(
            (convolution(channels, keys[2 * b + 1]), convolution(channels, keys[2 * b + 2])) for b in range(n_blocks)
        )
        output = eqx.nn.Linear(channels, 2 if phase else 1, use_bias=False, dtype=jnp.dtype(dtype), key=keys[-1])
        self.readout = eqx.tree_at(lambda o: o.weight, output, output.weight / math.prod(extent) ** 0.5)

    def symmetries(self) -> Int[np.ndarray, "n_translations n_sites"]:
        return cell_translations(self.extent)

    def __call__(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        z = circular_convolution(self.first, x.astype(self.readout.weight.dtype).reshape(*self.extent, 1))
        for inner, outer in self.blocks:
            z = z + circular_convolution(outer, jax.nn.gelu(circular_convolution(inner, jax.nn.gelu(z))))
        out = self.readout(jnp.sum(log_cosh(z), axis=range(z.ndim - 1)))
        return out[0] if len(out) == 1 else jax.lax.complex(out[0], out[1])

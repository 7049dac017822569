"""The feed-forward network."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact, Int8, Key

from hamiltonians.space import Flip
from nqs.ansatz.base import MovingAnsatz
from nqs.ansatz.dense import advance_linear, with_one
from nqs.ansatz.log_cosh import layer_log_cosh

ACTIVATIONS: dict[str, Callable] = {
    "log_cosh": layer_log_cosh,
    "tanh": jnp.tanh,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "relu": jax.nn.relu,
}


class FeedForward(MovingAnsatz):
    """log ψ(x) = u(x), or u(x) + i φ(x) with a phase; u and φ are the outputs of a fully connected network.

    Each hidden layer is z ↦ f(Wz + b) with activation f; the output layer has no bias, because a constant in log ψ
    changes neither an energy nor a gradient. All parameters are real.

    The cache is the first layer before its activation, and log ψ: a flip saves the product of x with the first
    weights.
    """

    layers: tuple[eqx.nn.Linear, ...]
    output: eqx.nn.Linear
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        n_sites: int,
        widths: tuple[int, ...] = (64, 64),
        *,
        key: Key[Array, ""],
        activation: str = "log_cosh",
        phase: bool = False,
        dtype: str = "float64",
    ):
        keys = jax.random.split(key, len(widths) + 1)
        sizes = (n_sites, *widths)
        self.layers = tuple(
            eqx.nn.Linear(sizes[i], sizes[i + 1], dtype=jnp.dtype(dtype), key=keys[i]) for i in range(len(widths))
        )
        self.output = eqx.nn.Linear(sizes[-1], 2 if phase else 1, use_bias=False, dtype=jnp.dtype(dtype), key=keys[-1])
        self.activation = activation

    def __call__(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        return self.start(x)[1]

    def start(self, x: Int8[Array, " n_sites"]) -> tuple[Inexact[Array, " width"], Inexact[Array, ""]]:
        z = self.layers[0](x.astype(self.layers[0].weight.dtype))
        return z, self._after_first_layer(z)

    def moved(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        z = advance_linear(cache[0], self.layers[0].weight.T, x, move)
        log_psi = self._after_first_layer(z)
        return log_psi - cache[1], (z, log_psi)

    def _after_first_layer(self, z: Inexact[Array, " width"]) -> Inexact[Array, ""]:
        activate = ACTIVATIONS[self.activation]
        for layer in self.layers[1:]:
            z = layer(activate(z))
        return _as_log_psi(self.output(activate(z)))

    def zero_taps(self) -> tuple[Inexact[Array, "..."], ...]:
        return tuple(jnp.zeros_like(layer.weight[:, 0]) for layer in (*self.layers, self.output))

    def with_taps(self, x: Int8[Array, " n_sites"], taps):
        activate = ACTIVATIONS[self.activation]
        a, inputs = x, []
        for layer, tap in zip(self.layers, taps[:-1], strict=True):
            inputs.append(with_one(a))
            a = activate(layer(a.astype(tap.dtype)) + tap)
        return _as_log_psi(self.output(a) + taps[-1]), (*inputs, a)


def _as_log_psi(out: Inexact[Array, " outputs"]) -> Inexact[Array, ""]:
    return out[0] if len(out) == 1 else jax.lax.complex(out[0], out[1])

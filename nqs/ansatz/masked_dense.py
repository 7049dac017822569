"""The masked dense network as a normalised wave function."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Inexact, Int, Int8, Key

from hamiltonians.space import Flip, Spins
from nqs.ansatz.autoregressive import Autoregressive, Couplings, spin_before
from nqs.ansatz.dense import advance_linear
from nqs.ansatz.feed_forward import ACTIVATIONS

EVERY = slice(None)


class MaskedDense(Autoregressive):
    """A fully connected network without the connections that lead from a site to itself or to an earlier one.

    Hidden unit k of a layer of `width` units has the degree d_k = ⌈(k + 1)(n_sites − 1)/width⌉ − 1: it sees the sites
    up to d_k, by units of lower or equal degree, and is seen by the outputs of the sites after d_k (M. Germain et al.,
    ICML 2015). With a width of n_sites − 1 or more there are units of every degree. Layers are z ↦ f(Wz + b) with
    activation f, the output layer without f. With `couplings` the log-odds have a term w_i h_i more, with the local
    field h_i and weights w = 1 at first. All parameters are real; the connections that there are, row by row, are the
    elements of `weights`.

    The cache is the first layer before its activation, with the fields, and log ψ: a flip saves the product of x with
    the first weights. With layers of W units log ψ costs O(n_sites W) for the first and the last and O(W²) between
    each two hidden ones; a sample costs O(n_sites W) and O(n_sites W²), as the first layer is carried along.
    """

    weights: tuple[Float[Array, " _"], ...]
    biases: tuple[Float[Array, " _"], ...]
    field_weights: Float[Array, " n_sites"] | None
    couplings: Couplings | None
    space: Spins
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        space: Spins,
        widths: tuple[int, ...] = (64,),
        *,
        key: Key[Array, ""],
        activation: str = "tanh",
        phase: bool = False,
        couplings: Couplings | None = None,
        dtype: str = "float64",
    ):
        """Weights and hidden biases are drawn from N(0, 1/number of inputs of the unit), output biases are 0."""
        self.space, self.activation, self.couplings = space, activation, couplings
        n_inputs = _n_inputs(space.n_sites, widths, 2 if phase else 1)
        keys = jax.random.split(key, 2 * len(n_inputs))
        self.weights = tuple(_normal(k, n, n, dtype) for k, n in zip(keys[::2], n_inputs, strict=True))
        hidden = tuple(_normal(k, n, 1, dtype) for k, n in zip(keys[1:-1:2], n_inputs[:-1], strict=True))
        self.biases = (*hidden, jnp.zeros(len(n_inputs[-1]), dtype))
        self.field_weights = None if couplings is None else jnp.ones(space.n_sites, dtype)

    def outputs(self, x: Int8[Array, " n_sites"]) -> Float[Array, "n_sites outputs"]:
        matrices = self._matrices()
        return self._after_first_layer(matrices, self._first_layer(matrices, x))

    def site_by_site(self):
        matrices = self._matrices()

        def advance(z, site, x):
            z = z + spin_before(x, site).astype(z.dtype) * matrices[0][site - 1]
            return z, self._after_first_layer(matrices, z, site)

        return self._first_layer(matrices, jnp.zeros(self.space.n_sites, jnp.int8)), advance

    def start(self, x: Int8[Array, " n_sites"]) -> tuple[Float[Array, " width"], Inexact[Array, ""]]:
        matrices = self._matrices()
        z = self._first_layer(matrices, x)
        return z, self.log_product(self._after_first_layer(matrices, z), x)

    def log_ratio(self, cache, x: Int8[Array, " n_sites"], move: Flip) -> Inexact[Array, ""]:
        return self.moved(cache, x, move)[0]

    def advance(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        return self.moved(cache, x, move)[1]

    def moved(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        matrices = self._matrices()
        z = advance_linear(cache[0], matrices[0], x, move)
        log_psi = self.log_product(self._after_first_layer(matrices, z), move.apply(x))
        return log_psi - cache[1], (z, log_psi)

    def _matrices(self) -> tuple[Float[Array, "_ _"], ...]:
        """The weights of each layer, (inputs, outputs); of the first also the couplings, which give the fields."""
        n_sites, widths = self.space.n_sites, tuple(len(b) for b in self.biases[:-1])
        all_inputs = _n_inputs(n_sites, widths, len(self.biases[-1]) // n_sites)
        sizes = (n_sites, *widths)
        matrices = [
            jnp.zeros(mask.shape, weights.dtype).at[np.nonzero(mask)].set(weights).T
            for weights, mask in zip(self.weights, map(_mask, all_inputs, sizes), strict=True)
        ]
        if self.couplings is not None:
            fields = jnp.asarray(self.couplings.before().T, matrices[0].dtype)
            matrices[0] = jnp.concatenate([matrices[0], fields], axis=1)
        return tuple(matrices)

    def _first_layer(self, matrices: tuple[Array, ...], x: Int8[Array, " n_sites"]) -> Float[Array, " width"]:
        z = x.astype(matrices[0].dtype) @ matrices[0]
        return z.at[: len(self.biases[0])].add(self.biases[0])

    def _after_first_layer(
        self, matrices: tuple[Array, ...], z: Float[Array, " width"], sites: slice | Int[Array, ""] = EVERY
    ) -> Float[Array, "*sites outputs"]:
        """The outputs of all sites, or of one."""
        z, fields = jnp.split(z, [len(self.biases[0])])
        a = ACTIVATIONS[self.activation](z)
        for matrix, bias in zip(matrices[1:-1], self.biases[1:-1], strict=True):
            a = ACTIVATIONS[self.activation](a @ matrix + bias)
        n_sites = self.space.n_sites
        weights = matrices[-1].reshape(len(a), n_sites, -1)[:, sites]
        outputs = jnp.tensordot(a, weights, 1) + self.biases[-1].reshape(n_sites, -1)[sites]
        if self.field_weights is None:
            return outputs
        return outputs.at[..., 0].add((self.field_weights * fields)[sites])


def _n_inputs(n_sites: int, widths: tuple[int, ...], n_outputs: int) -> list[Int[np.ndarray, " _"]]:
    """How many units of the layer before, in order of their degrees, each unit of a layer sees."""
    degrees, n_inputs = np.arange(n_sites), []
    for width in widths:
        seen = (np.arange(1, width + 1) * (n_sites - 1) - 1) // width
        n_inputs.append(np.searchsorted(degrees, seen, side="right"))
        degrees = seen
    seen_by_outputs = np.searchsorted(degrees, np.arange(n_sites), side="left")
    return [*n_inputs, np.repeat(seen_by_outputs, n_outputs)]


def _mask(n_inputs: Int[np.ndarray, " _"], size: int) -> Bool[np.ndarray, "_ _"]:
    """Which of the `size` units before each unit sees: the first ones."""
    return np.arange(size) < n_inputs[:, None]


def _normal(
    key: Key[Array, ""], n_inputs: Int[np.ndarray, " _"], n_each: int | Int[np.ndarray, " _"], dtype: str
) -> Float[Array, " _"]:
    """`n_each` numbers from N(0, 1/n_inputs) for each unit."""
    total = int(np.broadcast_to(n_each, n_inputs.shape).sum())
    scale = jnp.repeat(1 / jnp.sqrt(jnp.maximum(jnp.asarray(n_inputs, dtype), 1)), n_each, total_repeat_length=total)
    return scale * jax.random.normal(key, (total,), dtype)

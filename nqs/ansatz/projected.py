"""The projection of a wave function on a sector of a symmetry group."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Inexact, Int, Int8

from hamiltonians.sector import Sector
from hamiltonians.space import Flip
from nqs.ansatz.base import Ansatz, MovingAnsatz, T


class Projected(MovingAnsatz):
    """ψ_s(x) = Σ_g χ_g* ψ(g x) over the elements of a sector, with (g x)_i = f_g x_{g(i)} and f_g = ±1.

    log ψ_s is complex unless ψ and every character are positive. The cache is that of ψ at every g x, with log ψ there:
    a move costs one move of ψ for each element. Where the sum vanishes log ψ_s is −∞.
    """

    ansatz: Ansatz
    permutations: Int[Array, "n_elements n_sites"]
    inverses: Int[Array, "n_elements n_sites_plus_one"]
    flips: Int8[Array, " n_elements"]
    weights: tuple[complex, ...] = eqx.field(static=True)

    def __init__(self, ansatz: Ansatz, sector: Sector):
        self.ansatz = ansatz
        self.permutations = jnp.asarray(sector.permutations, jnp.int32)
        inverses = np.argsort(sector.permutations, axis=1)
        padding = np.full((len(inverses), 1), inverses.shape[1])
        self.inverses = jnp.asarray(np.concatenate([inverses, padding], axis=1), jnp.int32)
        self.flips = jnp.asarray(sector.flips, jnp.int8)
        self.weights = tuple(np.conj(sector.characters).tolist())

    def __call__(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        return self._log_sum(jax.vmap(self.ansatz)(self._images(x)))

    def is_zero(self, x: Int8[Array, " n_sites"]) -> Bool[Array, ""]:
        """Whether |Σ_g χ_g* ψ(g x)| / Σ_g |ψ(g x)| is of the order of the rounding."""
        logs = jax.vmap(self.ansatz)(self._images(x))
        share = jnp.exp(jnp.real(self._log_sum(logs)) - jax.nn.logsumexp(jnp.real(logs)))
        return ~(share >= 100 * jnp.finfo(share.dtype).eps * jnp.maximum(1, jnp.max(jnp.abs(logs))))

    def accelerated(self, use: Callable[[Ansatz], T]) -> T:
        return self.ansatz.accelerated(lambda ansatz: use(eqx.tree_at(lambda p: p.ansatz, self, ansatz)))

    def has_one_magnetisation(self) -> bool:
        return self.ansatz.has_one_magnetisation()

    def can_vanish(self) -> bool:
        return not self.is_symmetric or self.ansatz.can_vanish()

    def start(self, x: Int8[Array, " n_sites"]):
        images = self._images(x)
        return jax.vmap(self.ansatz.start)(images), jax.vmap(self.ansatz)(images)

    def log_ratio(self, cache, x: Int8[Array, " n_sites"], move: Flip) -> Inexact[Array, ""]:
        images = (cache[0], self._images(x), self._moves(move))
        if jnp.iscomplexobj(cache[1]):  # all images at once are slower: they leave the processor's cache
            ratios = jax.lax.map(lambda image: self.ansatz.log_ratio(*image), images)
        else:
            ratios = jax.vmap(self.ansatz.log_ratio)(*images)
        return self._log_sum(cache[1] + ratios) - self._log_sum(cache[1])

    def moved(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        ratios, caches = jax.vmap(self.ansatz.moved)(cache[0], self._images(x), self._moves(move))
        logs = cache[1] + ratios
        return self._log_sum(logs) - self._log_sum(cache[1]), (caches, logs)

    def _images(self, x: Int8[Array, " n_sites"]) -> Int8[Array, "n_elements n_sites"]:
        return x[self.permutations] * self.flips[:, None]

    def _moves(self, move: Flip) -> Flip:
        """Site s of x is site g⁻¹(s) of g x; the padding stays."""
        return Flip(self.inverses[:, move.sites])

    def _log_sum(self, logs: Inexact[Array, " n_elements"]) -> Inexact[Array, ""]:
        shift = jax.lax.stop_gradient(jnp.max(jnp.real(logs)))
        if all(weight.imag == 0 and weight.real > 0 for weight in self.weights) and not jnp.iscomplexobj(logs):
            return jnp.log(jnp.array(self.weights).real.astype(logs.dtype) @ jnp.exp(logs - shift)) + shift
        terms = jnp.exp((logs - shift).astype(jnp.result_type(logs, jnp.complex64)))
        return jnp.log(jnp.array(self.weights).astype(terms.dtype) @ terms) + shift

    @property
    def is_symmetric(self) -> bool:
        """Whether all characters are 1: the sector of a positive ψ."""
        return all(abs(weight - 1) < 1e-9 for weight in self.weights)

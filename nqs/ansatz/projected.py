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

    log ψ_s is complex unless ψ and every character are positive. Of elements that act alike on ψ, by its `symmetries`,
    one is summed. The cache is that of ψ at every g x of these, with log ψ there: a move costs one move of ψ for each.
    Where the sum vanishes log ψ_s is −∞.
    """

    ansatz: Ansatz
    permutations: Int[Array, "n_elements n_sites"]
    flips: Int8[Array, " n_elements"]
    inverses: Int[Array, "n_summed n_sites_plus_one"]
    characters: tuple[complex, ...] = eqx.field(static=True)
    summed: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, ansatz: Ansatz, sector: Sector):
        """Raises `ValueError` if the symmetries of ψ leave it no part in the sector."""
        self.ansatz = ansatz
        self.permutations = jnp.asarray(sector.permutations, jnp.int32)
        self.flips = jnp.asarray(sector.flips, jnp.int8)
        self.characters = tuple(sector.characters.tolist())
        symmetries = ansatz.symmetries()
        everything = range(len(self.characters))
        self.summed = tuple(everything if symmetries is None else sector.representatives(symmetries))
        if not self.summed:
            raise ValueError("sector: the symmetries that the ansatz has itself leave it no part there")
        inverses = np.argsort(sector.permutations[list(self.summed)], axis=1)
        padding = np.full((len(inverses), 1), inverses.shape[1])
        self.inverses = jnp.asarray(np.concatenate([inverses, padding], axis=1), jnp.int32)

    def __call__(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        return self._log_sum(jax.vmap(self.ansatz)(self._images(x)))

    def is_zero(self, x: Int8[Array, " n_sites"]) -> Bool[Array, ""]:
        """Whether |Σ_g χ_g* ψ(g x)| / Σ_g |ψ(g x)| is of the order of the rounding."""
        logs = jax.vmap(self.ansatz)(self._images(x))
        share = jnp.exp(jnp.real(self._log_sum(logs)) - jax.nn.logsumexp(jnp.real(logs)))
        return ~(share >= 100 * jnp.finfo(share.dtype).eps * jnp.maximum(1, jnp.max(jnp.abs(logs))))

    def accelerated(self, use: Callable[[Ansatz], T]) -> T:
        return self.ansatz.accelerated(lambda ansatz: use(eqx.tree_at(lambda p: p.ansatz, self, ansatz)))

    def moves_are_cheap(self) -> bool:
        return self.ansatz.moves_are_cheap()

    def has_one_magnetisation(self) -> bool:
        return self.ansatz.has_one_magnetisation()

    def can_vanish(self) -> bool:
        return not self.is_symmetric or self.ansatz.can_vanish()

    def start(self, x: Int8[Array, " n_sites"]):
        images = self._images(x)
        return jax.vmap(self.ansatz.start)(images), jax.vmap(self.ansatz)(images)

    def log_ratio(self, cache, x: Int8[Array, " n_sites"], move: Flip) -> Inexact[Array, ""]:
        logs = cache[1] + self._of_images(self.ansatz.log_ratio, cache, x, move)
        return self._log_sum(logs) - self._log_sum(cache[1])

    def log_ratios(self, cache, x: Int8[Array, " n_sites"], moves: Flip) -> Inexact[Array, " n_moves"]:
        logs = cache[1][:, None] + self._of_images(self.ansatz.log_ratios, cache, x, moves)
        return jax.vmap(self._log_sum, in_axes=1)(logs) - self._log_sum(cache[1])

    def moved(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        ratios, caches = jax.vmap(self.ansatz.moved)(cache[0], self._images(x), self._moves(move))
        logs = cache[1] + ratios
        return self._log_sum(logs) - self._log_sum(cache[1]), (caches, logs)

    def _of_images(self, ratios: Callable[..., Array], cache, x: Int8[Array, " n_sites"], moves: Flip) -> Array:
        """One image after the other: all at once they leave the cache of a processor, and are slower."""
        return jax.lax.map(lambda image: ratios(*image), (cache[0], self._images(x), self._moves(moves)))

    def _images(self, x: Int8[Array, " n_sites"]) -> Int8[Array, "n_elements n_sites"]:
        summed = np.array(self.summed)
        return x[self.permutations[summed]] * self.flips[summed, None]

    def _moves(self, move: Flip) -> Flip:
        """Site s of x is site g⁻¹(s) of g x; the padding stays."""
        return Flip(self.inverses[:, move.sites])

    def _log_sum(self, logs: Inexact[Array, " n_elements"]) -> Inexact[Array, ""]:
        highest = jax.lax.stop_gradient(jnp.max(jnp.real(logs)))
        shift = jnp.where(jnp.isneginf(highest), 0, highest)
        weights = jnp.array([self.characters[element] for element in self.summed]).conj()
        if not jnp.iscomplexobj(logs) and all(
            self.characters[element].imag == 0 and self.characters[element].real > 0 for element in self.summed
        ):
            return _log(weights.real.astype(logs.dtype) @ jnp.exp(logs - shift)) + shift
        terms = jnp.exp((logs - shift).astype(jnp.result_type(logs, jnp.complex64)))
        return _log(weights.astype(terms.dtype) @ terms) + shift

    @property
    def is_symmetric(self) -> bool:
        """Whether all characters are 1: the sector of a positive ψ."""
        return all(abs(character - 1) < 1e-9 for character in self.characters)


def _log(psi: Inexact[Array, ""]) -> Inexact[Array, ""]:
    """−∞ where ψ is zero, with the derivative 0: one that is not a number would spoil the sum over other samples."""
    is_zero = psi == 0
    return jnp.where(is_zero, -jnp.inf, jnp.log(jnp.where(is_zero, 1, psi)))

"""The pair-product state: singlet pairs with exactly one electron on each site."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int, Int8, Key

from hamiltonians.space import Flip
from nqs.ansatz.base import MovingAnsatz
from nqs.ansatz.dense import flipped_spins


class PairProduct(MovingAnsatz):
    """ψ(x) = ε(x) det [F_{u_k d_l}], u and d the n = n_sites/2 sites of the spins up and down in ascending order.

    F_ij = σ_ij f_o is symmetric, with a number f of `pairing` for each orbit o of pairs of sites under a group of
    permutations, and given signs σ. ψ is the amplitude of x in (Σ_ij F_ij c†_i↑ c†_j↓)ⁿ|0⟩, of total spin zero (P. W.
    Anderson, Science 235, 1196, 1987; D. Tahara and M. Imada, J. Phys. Soc. Jpn. 77, 114701, 2008), where ε(x) = ±1
    brings the electrons into the order of the sites. A permutation g of the group multiplies ψ by its sign, if σ = 1.
    Other magnetisations have ψ = 0; log ψ is complex, iπ for a negative ψ.

    The cache is u, d and the inverse of F_{u_k d_l}. The exchange of two opposite spins changes a row and a column, and
    costs O(n²), the ratios of all n² exchanges together O(n³); other moves begin anew. From ψ = 0 every exchange is
    accepted.
    """

    pairing: Float[Array, " n_orbits"]
    orbits: Int[Array, "n_sites n_sites"]
    signs: Int8[Array, "n_sites n_sites"]
    permutations: Int[Array, "n_elements n_sites"]

    def __init__(
        self,
        permutations: Int[np.ndarray, "n_elements n_sites"],
        start: Float[np.ndarray, "n_sites n_sites"],
        signs: Int[np.ndarray, "n_sites n_sites"] | None = None,
        *,
        key: Key[Array, ""],
        dtype: str = "float64",
        stddev: float = 0.01,
    ):
        """`permutations` are the group; `signs` are 1, −1 or, for F_ij = 0, 0, and 1 unless given.

        The number of an orbit is drawn from N(mean of σ_ij times `start` over it, stddev²). Raises `ValueError` for an
        odd number of sites.
        """
        if permutations.shape[1] % 2:
            raise ValueError(f"{permutations.shape[1]} sites cannot all be paired")
        signs = np.ones(start.shape, int) if signs is None else signs
        orbits, acts = pair_orbits(permutations), signs.ravel() != 0
        orbits = np.unique(np.where(signs == 0, orbits[0, 0], orbits), return_inverse=True)[1]
        counts = np.bincount(orbits.ravel()[acts])
        means = np.bincount(orbits.ravel()[acts], (signs * start).ravel()[acts]) / counts
        self.orbits = jnp.asarray(orbits.reshape(start.shape), jnp.int32)
        self.signs = jnp.asarray(signs, jnp.int8)
        self.permutations = jnp.asarray(permutations, jnp.int32)
        self.pairing = jnp.asarray(means, dtype) + stddev * jax.random.normal(key, means.shape, dtype)

    def __call__(self, x: Int8[Array, " n_sites"]) -> Complex[Array, ""]:
        up, down = _sites(x)
        sign, log_modulus = jnp.linalg.slogdet(self._amplitudes()[up[:, None], down])
        inversions = jnp.sum(jnp.where(x > 0, jnp.cumsum(x < 0), 0))
        log_psi = _log(sign * (-1) ** (inversions % 2)) + log_modulus
        return jnp.where(jnp.sum(x) == 0, log_psi, -jnp.inf)

    def start(self, x: Int8[Array, " n_sites"]):
        up, down = _sites(x)
        return up, down, jnp.linalg.inv(self._amplitudes()[up[:, None], down])

    def moved(self, cache, x: Int8[Array, " n_sites"], move: Flip):
        if len(move.sites) != 2:
            changed = move.apply(x)
            return self(changed) - self(x), self.start(changed)
        spins = flipped_spins(x, move)
        exchanged = self._exchanged(cache, *jnp.where(spins[0] > 0, move.sites, move.sites[::-1]))
        acts, stays = spins[0] * spins[1] < 0, jnp.all(spins == 0)
        ratio = jnp.where(acts, exchanged[0], jnp.where(stays, 0, -jnp.inf))
        return ratio, jax.tree.map(lambda new, old: jnp.where(acts, new, old), exchanged[1], cache)

    def log_ratios(self, cache, x: Int8[Array, " n_sites"], moves: Flip) -> Complex[Array, " n_moves"]:
        """Those of exchanges are looked up in `_ratios`, which all moves of one x share."""
        if moves.sites.shape[1] != 2:
            return super().log_ratios(cache, x, moves)
        up, down, _ = cache
        log_ratios = _log(-self._ratios(cache))
        places = jnp.zeros(len(x), int).at[up].set(jnp.arange(len(up))).at[down].set(jnp.arange(len(up)))

        def look_up(move: Flip) -> Complex[Array, ""]:
            spins, place = flipped_spins(x, move), places.at[move.sites].get(mode="fill", fill_value=0)
            k, m = jnp.where(spins[0] > 0, place, place[::-1])
            return jnp.where(spins[0] * spins[1] < 0, log_ratios[m, k], jnp.where(jnp.all(spins == 0), 0, -jnp.inf))

        return jax.vmap(look_up)(moves)

    def moves_are_cheap(self) -> bool:
        return True

    def symmetries(self) -> Int[np.ndarray, "n_symmetries n_sites"] | None:
        """The even ones of the group, where σ = 1."""
        if np.any(np.asarray(self.signs) != 1):
            return None
        return np.array([g for g in np.asarray(self.permutations) if _n_inversions(g) % 2 == 0])

    def has_one_magnetisation(self) -> bool:
        return True

    def _ratios(self, cache) -> Float[Array, "n_down n_up"]:
        """det A′/det A of `_exchanged` for the spin up k that changes places with the spin down m."""
        up, down, inverse = cache
        amplitudes = self._amplitudes()
        by_row = amplitudes[down[:, None], down] @ inverse
        by_column = inverse @ amplitudes[up[:, None], up]
        mixed = by_row @ amplitudes[up[:, None], up]
        ratios = by_row * by_column + inverse * (amplitudes[down[:, None], up] - mixed)
        return jnp.where(jnp.all(jnp.isfinite(inverse)), ratios, jnp.inf)

    def _exchanged(self, cache, left: Int[Array, ""], entered: Int[Array, ""]):
        """`moved` for a spin up that leaves the site `left` and enters another.

        With A the matrix of the cache, row k and column m become r = F_{entered, d} and c = F_{u, left}, but their
        common element f = F_{entered, left}: det A′/det A = (r A⁻¹)_k (A⁻¹c)_m + (A⁻¹)_mk (f − r A⁻¹ c), and
        the inverse of A′ = A + e_k u + v e_m is found by the formula of Woodbury with w = A⁻¹v. Electrons change places
        as well: a sign.
        """
        up, down, inverse = cache
        amplitudes = self._amplitudes()
        k, m = jnp.argmax(up == left), jnp.argmax(down == entered)
        row, column, element = amplitudes[entered, down], amplitudes[up, left], amplitudes[entered, left]
        by_row, by_column = row @ inverse, inverse @ column
        mixed = row @ by_column
        ratio = by_row[k] * by_column[m] + inverse[m, k] * (element - mixed)
        same = amplitudes[left, left] + amplitudes[entered, entered]
        u = by_row.at[k].add(-1)
        w = (by_column + (2 * element - same) * inverse[:, k]).at[m].add(-1)
        cross = mixed - same + element + (2 * element - same) * u[k]
        from_row = (1 + w[m]) * u - cross * inverse[m]
        from_column = by_row[k] * inverse[m] - inverse[m, k] * u
        change = (jnp.outer(inverse[:, k], from_row) + jnp.outer(w, from_column)) / ratio
        ratio = jnp.where(jnp.all(jnp.isfinite(inverse)), ratio, jnp.inf)
        return _log(-ratio), (up.at[k].set(entered), down.at[m].set(left), inverse - change)

    def _amplitudes(self) -> Float[Array, "n_sites n_sites"]:
        return self.signs * self.pairing[self.orbits]


def pair_orbits(permutations: Int[np.ndarray, "n_elements n_sites"]) -> Int[np.ndarray, "n_sites n_sites"]:
    """The number of the orbit of each pair of sites (i, j), the same as that of (j, i), under a group."""
    n_sites = permutations.shape[1]
    first = np.full((n_sites, n_sites), n_sites**2)
    for g in permutations:
        images = g[:, None] * n_sites + g
        np.minimum(first, np.minimum(images, images.T), out=first)
    return np.unique(first, return_inverse=True)[1].reshape(n_sites, n_sites)


def _n_inversions(permutation: Int[np.ndarray, " n_sites"]) -> int:
    return int(np.count_nonzero(np.triu(np.greater.outer(permutation, permutation))))


def _sites(x: Int8[Array, " n_sites"]) -> tuple[Int[Array, " n_up"], Int[Array, " n_down"]]:
    order = jnp.argsort(-x, stable=True)
    return order[: len(x) // 2], order[len(x) // 2 :]


def _log(value: Float[Array, "*shape"]) -> Complex[Array, "*shape"]:
    """As the logarithm of a complex number, at a tenth of its cost."""
    return jax.lax.complex(jnp.log(jnp.abs(value)), jnp.where(value < 0, jnp.pi, 0).astype(value.dtype))

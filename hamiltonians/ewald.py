"""The Coulomb energy of periodic charges in two and three dimensions by Ewald's sum."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from hamiltonians.continuum import pairs

# Both sums end where exp(-CUTOFF^2) = 2e-13 of their first terms is left.
CUTOFF = 5.4


class Ewald(eqx.Module):
    """V(x) of N unit charges in a periodic cell of two or three dimensions with a neutralising background.

    V = Σ_{i<j} φ(r_ij) + N v_M/2, where v_M = lim_{r→0} (φ(r) − 1/r) is the Madelung constant of the cell, `madelung`;
    with volume Ω, splitting parameter α and reciprocal lattice vectors G

        φ(r) = Σ_R erfc(α|r + R|)/|r + R| + Σ_{G≠0} f(G) cos G·r − f₀,
        f(G) = 4π exp(−G²/4α²)/(Ω G²),   f₀ = π/(Ω α²)     in three dimensions,
        f(G) = 2π erfc(G/2α)/(Ω G),      f₀ = 2√π/(Ω α)    in two, where charges interact by 1/r as well

    (P. P. Ewald, Ann. Phys. 369, 253, 1921; D. E. Parry, Surf. Sci. 49, 433, 1975). The rows of `cell` are its lattice
    vectors. No result depends on `alpha`: by default the first sum needs only the images next to the nearest one.
    """

    cell: Float[np.ndarray, "dim dim"]
    inverse: Float[np.ndarray, "dim dim"]
    alpha: float
    translations: Float[np.ndarray, "images dim"]
    weights: Float[np.ndarray, "..."]
    background: float
    madelung: float

    def __init__(self, cell: np.ndarray, alpha: float | None = None):
        from scipy.special import erfc

        self.cell = np.asarray(cell, dtype=np.float64)
        self.inverse = np.linalg.inv(self.cell)
        dim, volume = len(self.cell), abs(np.linalg.det(self.cell))
        spacings = 1 / np.linalg.norm(self.inverse, axis=0)
        self.alpha = CUTOFF / (1.5 * min(spacings)) if alpha is None else alpha
        # Nearest images have fractional coordinates within ±1/2: image n is at least (|n| − 1/2) spacings away.
        reach = np.ceil(CUTOFF / self.alpha / spacings - 0.5).astype(int)
        self.translations = _grid(reach).reshape(-1, dim) @ self.cell
        reciprocal = 2 * np.pi * self.inverse.T
        cutoff = 2 * self.alpha * CUTOFF
        numbers = _grid(np.floor(cutoff * np.linalg.norm(self.cell, axis=1) / (2 * np.pi)).astype(int))
        lengths = np.linalg.norm(numbers @ reciprocal, axis=-1)
        is_kept = (lengths > 0) & (lengths <= cutoff)
        g = np.where(is_kept, lengths, 1.0)
        if dim == 3:
            values = 4 * np.pi * np.exp(-((g / (2 * self.alpha)) ** 2)) / (volume * g**2)
            self.background = np.pi / (volume * self.alpha**2)
        else:
            values = 2 * np.pi * erfc(g / (2 * self.alpha)) / (volume * g)
            self.background = 2 * np.sqrt(np.pi) / (volume * self.alpha)
        values = np.where(is_kept, values, 0.0)
        distances = np.linalg.norm(self.translations, axis=-1)
        distances = distances[distances > 0]
        self.madelung = float(
            np.sum(erfc(self.alpha * distances) / distances)
            + np.sum(values)
            - self.background
            - 2 * self.alpha / np.sqrt(np.pi)
        )
        # G and −G are alike: of the last axis only half is summed.
        last = values.shape[-1] // 2
        self.weights = values[..., last:] * np.where(np.arange(last + 1) > 0, 2.0, 1.0)

    def __call__(self, x: Float[Array, "n_particles dim"]) -> Float[Array, ""]:
        """V(x), with the energy of each charge in its own images and the background."""
        n = len(x)
        first, second = pairs(n)
        fractions = x @ self.inverse
        between = fractions[first] - fractions[second]
        nearest = (between - jnp.round(between)) @ self.cell
        # |r + R|^2 as a product of matrices, exact for R = 0 and far from cancellation for every other.
        squares = jnp.sum(nearest**2, axis=-1, keepdims=True) + nearest @ (2 * self.translations.T)
        distances = jnp.sqrt(squares + jnp.sum(self.translations**2, axis=-1))
        near = jnp.sum(jax.scipy.special.erfc(self.alpha * distances) / distances)
        densities = self._densities(jnp.exp(2j * jnp.pi * fractions))
        far = 0.5 * jnp.sum(self.weights * (densities.real**2 + densities.imag**2 - n))
        return near + far - 0.5 * n * (n - 1) * self.background + 0.5 * n * self.madelung

    def _densities(self, phases: Complex[Array, "n_particles dim"]) -> Complex[Array, "..."]:
        """Σ_i exp(iG·r_i) for the G of `weights`, as products of powers of exp(ib·r_i) for each b of the basis."""
        *full, half = self.weights.shape
        axes = [_powers(z, size // 2) for z, size in zip(phases.T, [*full, 2 * half - 1], strict=True)]
        axes[-1] = axes[-1][:, half - 1 :]
        return jnp.einsum("ia,ib->ab" if len(axes) == 2 else "ia,ib,ic->abc", *axes)


def _powers(z: Complex[Array, " n_particles"], reach: int) -> Complex[Array, "n_particles powers"]:
    """z^{−n} … z^n of numbers on the unit circle, by multiplication."""
    powers = [jnp.ones_like(z)]
    for _ in range(reach):
        powers.append(powers[-1] * z)
    return jnp.stack([*(power.conj() for power in powers[:0:-1]), *powers], axis=-1)


def _grid(reach: Int[np.ndarray, " dim"]) -> Int[np.ndarray, "..."]:
    """All integer vectors with |n_k| ≤ reach_k, shaped (2·reach_1 + 1, …, dim)."""
    return np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), axis=-1)

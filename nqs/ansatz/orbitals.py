"""Single-particle states that fill a determinant."""

import abc
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

from hamiltonians.trap import lowest_quanta
from nqs.ansatz.geometry import Geometry


class Orbitals(eqx.Module):
    """States φ_μ(r) = E(r) f_μ(r) with a common factor E, which is taken out of a determinant as Σ log E.

    `classes` numbers those that may get a factor of their own: states of one class change into each other under
    translations, and a common factor is all that leaves their determinant its momentum.
    """

    classes: eqx.AbstractVar[tuple[int, ...]]

    @abc.abstractmethod
    def values(self, r: Inexact[Array, "n dim"]) -> Inexact[Array, "n n_orbitals"]:
        """f_μ(r_i)."""

    def log_envelope(self, r: Inexact[Array, "n dim"]) -> Inexact[Array, " n"]:
        """log E(r_i)."""
        return jnp.zeros(len(r), r.dtype)


class PlaneWaves(Orbitals):
    """exp(ik·r) with k = Σ_a (n_a + θ_a) b_a, b_a the reciprocal lattice vectors, n `momenta` and θ `twist`.

    Where θ = 0 and the momenta come in pairs ±k they are 1, √2 cos(k·r) and √2 sin(k·r), which have the same
    determinant up to a constant, unless `is_complex`.
    """

    momenta: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    twist: tuple[float, ...] = eqx.field(static=True)
    geometry: Geometry
    is_real: bool = eqx.field(static=True)
    classes: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self, momenta: Sequence[Sequence[int]], twist: Sequence[float], geometry: Geometry, *, is_complex: bool = False
    ):
        self.momenta = tuple(tuple(int(n) for n in momentum) for momentum in momenta)
        self.twist, self.geometry = tuple(map(float, twist)), geometry
        inverted = {tuple(-n for n in momentum) for momentum in self.momenta}
        self.is_real = not is_complex and not any(twist) and inverted == set(self.momenta)
        n, is_odd = len(self.momenta), len(self.momenta) % 2
        half = range(is_odd, is_odd + n // 2)
        self.classes = (*range(is_odd), *half, *half) if self.is_real else tuple(range(n))

    def values(self, r: Inexact[Array, "n dim"]) -> Inexact[Array, "n n_orbitals"]:
        if not self.is_real:
            return self.waves(r)
        half = np.array([k for k in self.momenta if k > tuple(-n for n in k)]).reshape(-1, r.shape[1])
        angles = 2 * jnp.pi * self.geometry.fractions(r) @ jnp.asarray(half.T, r.dtype)
        waves = [np.sqrt(2) * jnp.cos(angles), np.sqrt(2) * jnp.sin(angles)]
        constant = [jnp.ones((len(r), 1), r.dtype)] if len(self.momenta) % 2 else []
        return jnp.concatenate([*constant, *waves], axis=1)

    def waves(self, r: Inexact[Array, "n dim"]) -> Inexact[Array, "n n_orbitals"]:
        """exp(ik·r) of every momentum."""
        n = np.array(self.momenta) + np.array(self.twist)
        angles = 2 * jnp.pi * self.geometry.fractions(r) @ jnp.asarray(n.T, r.dtype)
        if jnp.iscomplexobj(angles):
            return jnp.exp(1j * angles)
        return jax.lax.complex(jnp.cos(angles), jnp.sin(angles))


class Oscillator(Orbitals):
    """∏_k H_{n_k}(√ω_k r_k) exp(−ω_k r_k²/2) with Hermite polynomials, for each of the `quanta` n.

    Without `has_envelope` there is no exponential.
    """

    quanta: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    omega: tuple[float, ...] = eqx.field(static=True)
    has_envelope: bool = eqx.field(static=True)
    classes: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, quanta: Sequence[Sequence[int]], omega: Sequence[float], *, has_envelope: bool = True):
        self.omega, self.has_envelope = tuple(float(value) for value in omega), has_envelope
        self.quanta = tuple(tuple(map(int, one)) for one in quanta)
        self.classes = tuple(range(len(self.quanta)))

    @classmethod
    def lowest(cls, n_orbitals: int, omega: Sequence[float], *, has_envelope: bool = True) -> "Oscillator":
        """The states of lowest energy Σ ω_k n_k; of a level that is filled in part the first ones."""
        return cls(lowest_quanta(n_orbitals, tuple(map(float, omega))).tolist(), omega, has_envelope=has_envelope)

    def values(self, r: Inexact[Array, "n dim"]) -> Inexact[Array, "n n_orbitals"]:
        scaled = r * jnp.asarray(np.sqrt(self.omega), r.dtype)
        polynomials = [jnp.ones_like(scaled), 2 * scaled]
        for n in range(1, max(map(max, self.quanta))):
            polynomials.append(2 * scaled * polynomials[n] - 2 * n * polynomials[n - 1])
        columns = [jnp.prod(jnp.stack([polynomials[n][:, k] for k, n in enumerate(q)]), axis=0) for q in self.quanta]
        return jnp.stack(columns, axis=1)

    def log_envelope(self, r: Inexact[Array, "n dim"]) -> Inexact[Array, " n"]:
        if not self.has_envelope:
            return super().log_envelope(r)
        return -jnp.sum(r**2 * jnp.asarray(np.array(self.omega) / 2, r.dtype), axis=1)

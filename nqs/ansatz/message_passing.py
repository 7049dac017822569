"""A message-passing network for backflow and orbitals."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Key

from nqs.ansatz.base import Ansatz
from nqs.ansatz.geometry import Geometry
from nqs.ansatz.pair_features import others, pair_features, weights
from nqs.ansatz.slater import Slater


class Message(eqx.Module):
    """One round: m_ij = silu(W (g_ij, h_i, h_j) + b), then h_i += V Σ_{j≠i} m_ij/√N and g_ij += m_ij."""

    from_pair: Float[Array, "width width"]
    from_first: Float[Array, "width width"]
    from_second: Float[Array, "width width"]
    to_particle: Float[Array, "width width"]
    bias: Float[Array, " width"]

    def __init__(self, width: int, dtype: str, *, key: Key[Array, ""]):
        keys = jax.random.split(key, 4)
        parts = [weights(k, width, width, dtype) for k in keys]
        self.from_pair, self.from_first, self.from_second, self.to_particle = parts
        self.bias = jnp.zeros(width, dtype)

    def __call__(self, particles: Float[Array, "n width"], pairs: Float[Array, "n n width"]):
        """The new states of particles and pairs."""
        sent = (particles @ self.from_first + self.bias)[:, None] + particles @ self.from_second
        messages = jax.nn.silu(pairs @ self.from_pair + sent)
        total = jnp.sum(messages * others(len(particles), messages.dtype), axis=1) / len(particles) ** 0.5
        return particles + total @ self.to_particle, pairs + messages


class MessagePassing(Ansatz):
    """Determinants of orbitals φ_μ(x_i + f_i) exp(J_iμ), f_i and J_iμ linear in what particle i learns from the others;
    with `n_determinants` D > 1, ψ_0 + Σ_d c_d ψ_d over sets of J.

    Pairs and particles have states of `width` numbers that change in `rounds` of messages; the states of pairs begin
    with functions of x_i − x_j and of whether the spins are equal, those of particles at zero (in open space, with
    functions of x_i), so that ψ is antisymmetric and, in a cell, periodic and of the momentum of its determinant. f,
    the first J and c begin at zero: the first ψ is the determinant. With `is_complex` f and J are complex.

    G. Pescia, J. Nys, J. Kim, A. Lovato and G. Carleo, Phys. Rev. B 110, 035108 (2024), with simpler messages. All
    functions are smooth where particles meet, so that a `PairJastrow` keeps the cusps exact.
    """

    slater: Slater
    embedding: Float[Array, "features width"]
    own_embedding: Float[Array, "own_features width"] | None
    rounds: tuple[Message, ...]
    backflow: Float[Array, "width components_dim"]
    jastrow: Float[Array, "width components_determinants_classes"]
    coefficients: Float[Array, " n_determinants_minus_one"] | None
    geometry: Geometry
    n_up: int = eqx.field(static=True)
    is_complex: bool = eqx.field(static=True)
    n_determinants: int = eqx.field(static=True)

    def __init__(
        self,
        slater: Slater,
        geometry: Geometry,
        n_up: int,
        dim: int,
        width: int = 10,
        rounds: int = 2,
        n_determinants: int = 1,
        *,
        key: Key[Array, ""],
        is_complex: bool = False,
        dtype: str = "float64",
    ):
        keys = jax.random.split(key, rounds + 3)
        self.n_determinants = n_determinants
        self.slater, self.geometry, self.n_up, self.is_complex = slater, geometry, n_up, is_complex
        n_features = dim + 1 if geometry.cell is None else 2 * dim
        self.embedding = weights(keys[0], n_features + 1, width, dtype)
        self.own_embedding = weights(keys[1], dim + 1, width, dtype) if geometry.cell is None else None
        self.rounds = tuple(Message(width, dtype, key=k) for k in keys[2:-1])
        components = 2 if is_complex else 1
        n_classes = max(1 + max(orbitals.classes) for orbitals in slater.species)
        self.backflow = jnp.zeros((width, components * dim), dtype)
        jastrow = weights(keys[-1], width, components * n_determinants * n_classes, dtype)
        jastrow = jastrow.reshape(width, components, n_determinants, n_classes).at[:, :, 0].set(0)
        self.jastrow = jastrow.reshape(width, -1)
        self.coefficients = jnp.zeros(n_determinants - 1, dtype) if n_determinants > 1 else None

    def __call__(self, x: Float[Array, "n_particles dim"]) -> Inexact[Array, ""]:
        x = x.astype(self.embedding.dtype)
        particles = self._particles(x)
        moved = x + self.geometry.length * self._read(particles, self.backflow)
        factors = jnp.split(self._read(particles, self.jastrow), self.n_determinants, axis=1)
        if self.coefficients is None:
            return self.slater.of(moved, self._log_factors(factors[0]))
        return self.slater.of_several(moved, [self._log_factors(one) for one in factors], self.coefficients)

    def _particles(self, x: Float[Array, "n_particles dim"]) -> Float[Array, "n_particles width"]:
        """What each particle learned."""
        pairs = pair_features(self.geometry.features, self.n_up, x) @ self.embedding
        particles = jnp.zeros((len(x), self.embedding.shape[1]), x.dtype)
        if self.own_embedding is not None:
            particles = self.geometry.features(x) @ self.own_embedding
        for message in self.rounds:
            particles, pairs = message(particles, pairs)
        return particles

    def _read(self, particles: Float[Array, "n width"], layer: Float[Array, "width out"]) -> Inexact[Array, "n ..."]:
        values = particles @ layer
        return jax.lax.complex(*jnp.split(values, 2, axis=1)) if self.is_complex else values

    def _log_factors(self, factors: Inexact[Array, "n classes"]) -> Sequence[Inexact[Array, "..."]]:
        """J of the particles of each spin for their orbitals; orbitals of one class share theirs."""
        starts = np.cumsum((0, *self.slater.sizes))
        of_spins = zip(starts, starts[1:], self.slater.species, strict=False)
        return [factors[start:stop, np.array(orbitals.classes)] for start, stop, orbitals in of_spins]

"""Observables of particles that are averages over |ψ|²."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hamiltonians.continuum import ContinuumHamiltonian, pairs
from hamiltonians.electron_gas import ElectronGas
from hamiltonians.plane_waves import wave_vectors
from hamiltonians.space import Particles
from hamiltonians.trap import HarmonicTrap
from nqs.ansatz.base import Ansatz
from nqs.blocks import Sums, jackknife
from nqs.laplacian import kinetic_energy
from nqs.local_energy import exchange_energy, exchanges
from nqs.one_body import moved_ratios, with_signs
from nqs.results import Observable
from nqs.trap_basis import TrapBasis, trap_basis

N_BINS = 40
# Wave vectors up to so many times the shortest.
LARGEST_K = 4
# A trap is cut into rings up to so many widths of a single particle, and more for many, or so many radii of a cloud of
# classical charges, if these are larger.
WIDTHS = 4
RADII = 1.3
MATRIX = "orbital_density_matrix"


class ParticleObservables(eqx.Module):
    """The values at one configuration of all observables of particles that are averages over |ψ|².

    Re −c(∇²ψ)/ψ and the parts of the potential energy, among them that of exchanges of positions; of electrons in a
    trap 2T − 2V_trap + V_ee, whose average is zero for an eigenstate, and of the electron gas 2T + V, which is then
    −r_s dE/dr_s (the virial theorem), and E − E_HF with the energy of the determinant of plane waves;
    in a cell, with Ω its volume and spheres up to its inner radius, g_σσ(r) = Ω/N_σ² ⟨Σ_{i≠j} δ(r − r_ij)⟩ of equal
    spins, averaged with weights N_σ², g_↑↓(r) = Ω/(N_↑N_↓) ⟨Σ_ij δ(r − r_ij)⟩, and S(k) = ⟨|Σ_j e^{ik·r_j}|²⟩/N,
    averaged over the wave vectors of one length; n(k) the occupation of plane waves, k with the twist, averaged over
    spins and k of one length, and ρ(r), the one-body density matrix over the density, averaged over directions, unless
    ψ is that of a class which gives the modulus only;
    in open space the density n(r) around the origin, ∫ n dr = N; in a trap also the one-body density matrix, summed
    over spins, in the states of `trap_basis`, where it gives some, and its trace over N.
    """

    hamiltonian: ContinuumHamiltonian
    hartree_fock_energy: float
    edges: Float[np.ndarray, " bins_plus_one"]
    wave_vectors: Float[np.ndarray, "vectors dim"]
    shells: Int[np.ndarray, " vectors"]
    lengths: Float[np.ndarray, " shells"]
    momenta: Float[np.ndarray, "momenta dim"]
    momentum_shells: Int[np.ndarray, " momenta"]
    momentum_lengths: Float[np.ndarray, " momentum_shells"]
    basis: TrapBasis | None

    def __init__(self, hamiltonian: ContinuumHamiltonian):
        self.hamiltonian, space = hamiltonian, hamiltonian.space
        self.hartree_fock_energy = hamiltonian.hartree_fock_energy() if isinstance(hamiltonian, ElectronGas) else np.nan
        largest = _outer_radius(hamiltonian) if space.cell is None else _inner_radius(space)
        self.edges = np.linspace(0, largest, N_BINS + 1)
        self.basis = trap_basis(hamiltonian) if isinstance(hamiltonian, HarmonicTrap) else None
        nothing = np.zeros((0, space.dim)), np.zeros(0), np.zeros(0, int)
        self.wave_vectors, self.lengths, self.shells = nothing
        self.momenta, self.momentum_lengths, self.momentum_shells = nothing
        if space.cell is not None:
            cell, twist = np.asarray(space.cell), getattr(hamiltonian, "twist", 0.0)
            self.wave_vectors, self.lengths, self.shells = _shells(cell, 0.0, is_half=True)
            self.momenta, self.momentum_lengths, self.momentum_shells = _shells(cell, twist, is_half=False)

    @property
    def middles(self) -> Float[np.ndarray, " bins"]:
        """The middle of each bin of distances."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def __call__(self, ansatz: Ansatz, x: Float[Array, "n_particles dim"]) -> dict[str, Float[Array, "..."]]:
        hamiltonian = self.hamiltonian
        parts = hamiltonian.potential_terms(x)
        kinetic = jnp.real(kinetic_energy(ansatz, x, hamiltonian.kinetic_prefactor))
        if exchanges(hamiltonian):
            parts = {**parts, "exchange": jnp.real(exchange_energy(hamiltonian, ansatz, x))}
        values = {"kinetic_energy": kinetic, **{f"{name}_energy": value for name, value in parts.items()}}
        has_length = getattr(hamiltonian, "softening", 0.0) or getattr(hamiltonian, "core_diameter", 0.0)
        if "trap" in parts and not has_length:
            values["virial"] = 2 * kinetic - 2 * parts["trap"] + parts.get("interaction", 0.0)
        if isinstance(hamiltonian, ElectronGas) and "interaction" in parts:
            values["correlation_energy"] = kinetic + parts["interaction"] - self.hartree_fock_energy
            values["virial"] = 2 * kinetic + parts["interaction"]
        if hamiltonian.space.cell is None:
            values["density"] = self._counts(x, jnp.ones(len(x))) / self._volumes()
            if self.basis is not None and self._has_sign(ansatz, x):
                values[MATRIX] = self.basis.density_matrix(ansatz, x)
                values["orbital_weight"] = jnp.trace(values[MATRIX]) / len(x)
            return values
        values |= self._pair_functions(x)
        return values | self._one_body(ansatz, x) if self._has_sign(ansatz, x) else values

    def _pair_functions(self, x: Float[Array, "n_particles dim"]) -> dict[str, Float[Array, "..."]]:
        space = self.hamiltonian.space
        n_up, n_down, (first, second) = space.n_up, space.n_down, pairs(space.n_particles)
        r, is_equal = space.displacement(x[first] - x[second]), (first < n_up) == (second < n_up)
        unit = self._volumes() / jnp.abs(jnp.linalg.det(jnp.asarray(space.cell)))
        values = {"pair_equal": 2 * self._counts(r, is_equal) / ((n_up**2 + n_down**2) * unit)}
        if n_up and n_down:
            values["pair_opposite"] = self._counts(r, ~is_equal) / (n_up * n_down * unit)
        phases = x @ self.wave_vectors.T
        powers = (jnp.sum(jnp.cos(phases), axis=0) ** 2 + jnp.sum(jnp.sin(phases), axis=0) ** 2) / len(x)
        return values | {"structure_factor": _mean_of_shells(powers, self.shells, len(self.lengths))}

    def _has_sign(self, ansatz: Ansatz, x: Float[Array, "n_particles dim"]) -> bool:
        """Whether the sign of ψ is known: where it changes, log ψ must be complex."""
        space = self.hamiltonian.space
        is_positive = space.are_bosons or max(space.n_up, space.n_down) == 1
        return is_positive or jnp.issubdtype(jax.eval_shape(with_signs(ansatz), x).dtype, jnp.complexfloating)

    def _one_body(self, ansatz: Ansatz, x: Float[Array, "n_particles dim"]) -> dict[str, Float[Array, "..."]]:
        space = self.hamiltonian.space
        shifts, ratios = moved_ratios(ansatz, space, x)
        angles = shifts @ self.momenta.T
        occupations = ratios[:, 0] @ jnp.cos(angles) + ratios[:, 1] @ jnp.sin(angles)
        n_spins = (space.n_up > 0) + (space.n_down > 0)
        unit = len(x) * self._volumes() / jnp.abs(jnp.linalg.det(jnp.asarray(space.cell)))
        return {
            "momentum_distribution": _mean_of_shells(
                occupations / n_spins, self.momentum_shells, len(self.momentum_lengths)
            ),
            "density_matrix": self._counts(shifts, ratios[:, 0]) / unit,
        }

    def _counts(self, r: Float[Array, "n dim"], weights) -> Float[Array, " bins"]:
        """How much weight has its |r| in each bin."""
        bins = jnp.searchsorted(self.edges, jnp.linalg.norm(r, axis=-1), side="right") - 1
        return jnp.zeros(N_BINS).at[bins].add(weights, mode="drop")

    def _volumes(self) -> Float[Array | np.ndarray, " bins"]:
        """The volume of each shell."""
        dim = self.hamiltonian.space.dim
        ball = {1: 2.0, 2: np.pi, 3: 4 * np.pi / 3}[dim]
        return ball * (self.edges[1:] ** dim - self.edges[:-1] ** dim)


def particle_estimates(
    local: ParticleObservables, sums: Sums, sizes: Int[np.ndarray, " blocks"]
) -> dict[str, Observable]:
    """The observables from sums over blocks of these sizes."""
    energy, length = local.hamiltonian.energy_unit, local.hamiltonian.length_unit
    found, is_gas = {}, isinstance(local.hamiltonian, ElectronGas)
    states = "" if local.basis is None else local.basis.names
    for name in sums:
        mean, error = jackknife(lambda means, name=name: means[name], sums, sizes)
        axes: dict[str, np.ndarray] = {}
        if np.ndim(mean):
            lengths = {"structure_factor": local.lengths, "momentum_distribution": local.momentum_lengths}
            axes = {"k": lengths[name]} if name in lengths else {"r": local.middles}
        if np.ndim(mean) == 2:
            axes = {axis: np.arange(len(mean)) for axis in "ab"}
        is_energy = name == "virial" or name.endswith("_energy")
        unit = energy if is_energy else f"1/{length}^{local.hamiltonian.space.dim}" if name == "density" else "1"
        found[name] = Observable(mean[()], error[()], unit, _long_name(name, states, is_gas=is_gas), axes, length)
    return found


def _long_name(name: str, states: str, *, is_gas: bool) -> str:
    virial = "2 T + V, -r_s dE/dr_s of an eigenstate" if is_gas else "2 T - 2 V_trap + V_ee, zero for an eigenstate"
    texts = {
        "kinetic_energy": "kinetic energy",
        "correlation_energy": "E - E_HF, with the determinant of plane waves for E_HF",
        "virial": virial,
        "density": "particles in a unit of volume at a distance from the origin",
        "pair_equal": "pair distribution g(r) of equal spins, volume/N_s^2 <sum_(i!=j) delta(r - r_ij)>",
        "pair_opposite": "pair distribution g(r) of opposite spins, volume/(N_up N_down) <sum delta(r - r_ij)>",
        "momentum_distribution": "n(k), the occupation of a plane wave by a spin, averaged over k of one length",
        "density_matrix": "rho(r), one-body density matrix over the density, averaged over directions",
        MATRIX: f"real part of the one-body density matrix, summed over spins, in oscillator states of quanta {states}",
        "orbital_weight": "share of the particles in the states of the orbital density matrix, the trace over N",
        "structure_factor": "S(k) = <|sum_j exp(ik.r_j)|^2>/N, averaged over k of one length",
    }
    return texts.get(name, f"{name.removesuffix('_energy')} part of the potential energy")


def _outer_radius(hamiltonian: ContinuumHamiltonian) -> float:
    """Beyond which there are next to no particles of a trap.

    Classical charges reach (3πN/4ω²)^{1/3} in a disc, less in a ball, and about (3N(ln N − 1.8)/ω²)^{1/3} on a line;
    hard cores add N^{1/dim} diameters.
    """
    space = hamiltonian.space
    n, radius = space.n_particles, space.spread * (WIDTHS + space.n_particles**0.5)
    if getattr(hamiltonian, "interaction", "") == "coulomb":
        radius = max(radius, RADII * (n * (3 * np.pi / 4 + 3 * np.log(n)) * space.spread**4) ** (1 / 3))
    return radius + n ** (1 / space.dim) * getattr(hamiltonian, "core_diameter", 0.0)


def _inner_radius(space: Particles) -> float:
    """The radius of the largest sphere that holds no two images of a point: half of the shortest translation."""
    numbers = np.indices((5,) * space.dim).reshape(space.dim, -1).T - 2
    lengths = np.linalg.norm(numbers @ np.asarray(space.cell), axis=1)
    return float(np.min(lengths[lengths > 0]) / 2)


def _mean_of_shells(
    values: Float[Array, " vectors"], shells: Int[Array | np.ndarray, " vectors"], n_shells: int
) -> Float[Array, " n_shells"]:
    """The averages over the vectors of each length."""
    totals = jnp.zeros(n_shells)
    return totals.at[shells].add(values) / totals.at[shells].add(1.0)


def _shells(
    cell: Float[np.ndarray, "dim dim"], twist: Sequence[float] | float, *, is_half: bool
) -> tuple[Float[np.ndarray, "vectors dim"], Float[np.ndarray, " shells"], Int[np.ndarray, " vectors"]]:
    """Short reciprocal lattice vectors with a twist, or half of them, k and not −k; the lengths; which each has."""
    numbers = np.indices((2 * LARGEST_K + 3,) * len(cell)).reshape(len(cell), -1).T - LARGEST_K - 1
    vectors = wave_vectors(numbers[len(numbers) // 2 + 1 :] if is_half else numbers, cell, twist)
    lengths = np.round(np.linalg.norm(vectors, axis=1), 9)
    is_complete = lengths <= LARGEST_K * 2 * np.pi / np.max(np.linalg.norm(cell, axis=1)) + 1e-9
    lengths, shells = np.unique(lengths[is_complete], return_inverse=True)
    return vectors[is_complete], lengths, shells

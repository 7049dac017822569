"""One Lanczos step: the best (1 + α H)ψ, whose energy follows from averages over ψ."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, Inexact, Int, Int8, Key

from hamiltonians.spin import SpinHamiltonian
from nqs.ansatz.base import Ansatz
from nqs.blocks import Blocks, Means, Number, jackknife
from nqs.local_energy import local_energies
from nqs.results import Observable
from nqs.sampler.passes import SamplingPass
from nqs.statistics import v_score

MOMENTS = ("a", "square", "b", "cross", "b_square")
# Of a standard deviation of a, relative to b: below it ψ is an eigenstate.
ROUNDING = 1e-12


def measure_lanczos_step(
    hamiltonian: SpinHamiltonian,
    sampling: SamplingPass,
    ansatz: Ansatz,
    key: Key[Array, ""],
    shift: float,
    chunk_size: int,
) -> dict[str, Observable] | None:
    """The energy, the variance and the V-score of φ = (1 + α h)ψ, h = H − `shift`, at the α of the lowest energy.

    With a = hψ/ψ and b = h²ψ/ψ at samples of |ψ|², u = φ/ψ = 1 + αa and v = hφ/ψ = a + αb,

        E = shift + ⟨Re u*v⟩/⟨|u|²⟩,  Var = ⟨|v|²⟩/⟨|u|²⟩ − (E − shift)²,

    which have no error where φ is an eigenstate, v ∝ u (S. Sorella, Phys. Rev. B 64, 024512, 2001). φ is a wave
    function with the symmetries of ψ, so that E is above the ground state, within its error. It does not depend on
    `shift`, which is best near the energy of ψ. Each sample costs the local energies of all configurations that H
    connects with it. What hψ and h²ψ have where ψ is zero is left out, since nothing is sampled there.

    The same on every rank; None if the pass was stopped. Collective.
    """
    blocks = Blocks(sampling.sampler.n_chains, sampling.samples_per_chain)
    for samples, _ in sampling.samples(ansatz, key, "the Lanczos step"):
        blocks.add(moment_terms(hamiltonian, ansatz, samples, shift, chunk_size))
        if sampling.is_stopped():
            return None
    sums = blocks.gathered(sampling.communicator)
    found = None if sums is None else _observables(hamiltonian, shift, *jackknife(lanczos_step, sums, blocks.sizes))
    return sampling.communicator.broadcast_object(found)


def lanczos_step(means: Means) -> Number:
    """E − shift and Var of φ from the means of `moment_terms`.

    ⟨Re u*v⟩ = ⟨Re a⟩ + α(⟨|a|²⟩ + ⟨Re b⟩) + α²⟨Re a*b⟩ and ⟨|u|²⟩ = 1 + 2α⟨Re a⟩ + α²⟨|a|²⟩ are forms of (1, α), the
    lowest ratio of which is an eigenvalue. Those of ψ itself if a does not vary.
    """
    a, square, b, cross, b_square = (means[name] for name in MOMENTS)
    overlaps = np.array([[1.0, a], [a, square]])
    mixed = (square + b) / 2
    if np.linalg.det(overlaps) <= ROUNDING**2 * b_square:
        return np.array([a, np.maximum(square - a**2, 0)])
    energies, states = scipy.linalg.eigh([[a, mixed], [mixed, cross]], overlaps)
    energy, state = energies[0], states[:, 0]
    return np.array([energy, state @ [[square, cross], [cross, b_square]] @ state - energy**2])


def moment_terms(
    hamiltonian: SpinHamiltonian,
    ansatz: Ansatz,
    x: Int8[Array, "n_chains steps n_sites"],
    shift: float,
    chunk_size: int,
) -> dict[str, Float[np.ndarray, "n_chains steps"]]:
    """Re a, |a|², Re b, Re a*b and |b|² with a = hψ/ψ and b = h²ψ/ψ, which `lanczos_step` takes the means of.

    b(x) = Σ_x′ ⟨x|h|x′⟩ ψ(x′)/ψ(x) a(x′), where a(x′) is evaluated for as many x′ at once as there are samples.
    """
    flat = x.reshape(-1, x.shape[-1])
    n = len(flat)
    diagonal, factors = (np.asarray(part) for part in _elements(hamiltonian, ansatz, flat, chunk_size))
    a = np.asarray(local_energies(hamiltonian, ansatz, flat, chunk_size)) - shift
    b = (diagonal - shift) * a
    rows, terms = np.nonzero(factors)
    for start in range(0, len(rows), n):
        row, term = rows[start : start + n], terms[start : start + n]
        neighbours = _neighbours(hamiltonian, flat, *(jnp.asarray(np.resize(one, n)) for one in (row, term)))
        after = np.asarray(local_energies(hamiltonian, ansatz, neighbours, chunk_size)) - shift
        np.add.at(b, row, factors[row, term] * after[: len(row)])
    values = (a.real, np.abs(a) ** 2, b.real, (a.conj() * b).real, np.abs(b) ** 2)
    return {name: value.reshape(x.shape[:2]) for name, value in zip(MOMENTS, values, strict=True)}


@eqx.filter_jit
def _elements(
    hamiltonian: SpinHamiltonian, ansatz: Ansatz, x: Int8[Array, "n n_sites"], chunk_size: int
) -> tuple[Float[Array, " n"], Inexact[Array, "n terms"]]:
    """⟨x|H|x⟩, and ⟨x|H|x′⟩ ψ(x′)/ψ(x) of every term: 0 where it does not act."""

    def of_all(fast: Ansatz) -> tuple[Array, Array]:
        def of_one(y: Int8[Array, " n_sites"]) -> tuple[Array, Array]:
            moves, amplitudes = hamiltonian.connected(y)
            acts = amplitudes != 0
            ratios = jnp.exp(jnp.where(acts, fast.log_ratios(fast.start(y), y, moves), 0))
            return hamiltonian.diagonal(y), jnp.where(acts, amplitudes * ratios, 0)

        return jax.lax.map(of_one, x, batch_size=min(chunk_size, len(x)))

    return ansatz.accelerated(of_all)


@eqx.filter_jit
def _neighbours(
    hamiltonian: SpinHamiltonian,
    x: Int8[Array, "n n_sites"],
    rows: Int[Array, " m"],
    terms: Int[Array, " m"],
) -> Int8[Array, "m n_sites"]:
    """The configuration to which each term leads from the x of its row."""

    def of_one(row: Int[Array, ""], term: Int[Array, ""]) -> Int8[Array, " n_sites"]:
        moves, _ = hamiltonian.connected(x[row])
        return jax.tree.map(lambda leaf: leaf[term], moves).apply(x[row])

    return jax.vmap(of_one)(rows, terms)


def _observables(
    hamiltonian: SpinHamiltonian, shift: float, values: Float[np.ndarray, " 2"], errors: Float[np.ndarray, " 2"]
) -> dict[str, Observable]:
    energy, variance = shift + float(values[0]), float(values[1])
    n_sites, infinite = hamiltonian.space.n_sites, hamiltonian.infinite_temperature_energy
    score, score_error = (v_score(n_sites, energy, one, infinite) for one in (variance, float(errors[1])))
    of = "of (1 + alpha H) psi at the alpha of the lowest energy"
    unit = hamiltonian.energy_unit
    return {
        "lanczos_energy": Observable(energy, float(errors[0]), unit, f"energy {of}"),
        "lanczos_variance": Observable(variance, float(errors[1]), f"({unit})^2", f"variance {of}"),
        "lanczos_v_score": Observable(score, score_error, "1", f"V-score, N Var/(E - E_inf)^2, {of}"),
    }

"""One Lanczos step: the best (1 + α H)ψ, whose energy follows from averages over ψ."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int, Int8, Key

from hamiltonians.spin import SpinHamiltonian
from nqs.ansatz.base import Ansatz
from nqs.blocks import Blocks, Means, Number, jackknife
from nqs.local_energy import local_energies
from nqs.results import Observable
from nqs.sampler.passes import SamplingPass
from nqs.statistics import v_score

MOMENTS = ("h psi", "h psi squared", "h^2 psi", "h psi times h^2 psi", "h^2 psi squared")
# Of the standard deviation of local energies, relative to H, below which ψ is an eigenstate.
EIGENSTATE = 1e-12
# Of ratios of ψ, relative to the largest one, in units of the precision of ψ.
ZERO = 1000


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

    with (1, α) the right eigenvector of the matrix ⟨(1, a)*(a, b)⟩ in the metric ⟨(1, a)*(1, a)⟩ for the lower one of
    its eigenvalues, which is E − shift. E and Var have no error where φ is an eigenstate, v ∝ u (S. Sorella, Phys. Rev.
    B 64, 024512, 2001; the matrix that is not symmetric is that of M. P. Nightingale and V. Melik-Alaverdian, Phys.
    Rev. Lett. 87, 043401, 2001); where it is nearly one the samples of Var have a long tail. φ is a wave function with
    the symmetries of ψ, so that E is above the ground state, within its error. It does not depend on `shift`, which is
    best near the energy of ψ. Each sample costs the local energies of all configurations that H connects with it. Where
    ψ is zero nothing is sampled: φ is cut to where it is not, the variance is too small by what hφ has elsewhere.

    The same on every rank; None if the pass was stopped. Collective.
    """
    blocks = Blocks(sampling.sampler.n_chains, sampling.samples_per_chain)
    for samples, _ in sampling.samples(ansatz, key, "the Lanczos step"):
        blocks.add(moment_terms(hamiltonian, ansatz, samples, shift, chunk_size))
        if sampling.is_stopped():
            return None
    sums, found = blocks.gathered(sampling.communicator), None
    if sums is not None:
        step = functools.partial(lanczos_step, hamiltonian, shift)
        unit, of = hamiltonian.energy_unit, "of (1 + alpha H) psi at the alpha of the lowest energy"
        names = {
            "energy": (unit, f"energy {of}"),
            "variance": (f"({unit})^2", f"variance {of}"),
            "v_score": ("1", f"V-score, N Var/(E - E_inf)^2, {of}"),
        }
        values = zip(*jackknife(step, sums, blocks.sizes), strict=True)
        found = {
            f"lanczos_{name}": Observable(value.item(), error.item(), *described)
            for (name, described), (value, error) in zip(names.items(), values, strict=True)
        }
    return sampling.communicator.broadcast_object(found)


def lanczos_step(hamiltonian: SpinHamiltonian, shift: float, means: Means) -> Number:
    """The energy, the variance and the V-score of φ from the means of `moment_terms`.

    Those of ψ itself where a does not vary. If noise makes the eigenvalues complex their real part counts.
    """
    a, square, b, cross, b_square = (float(means[name]) for name in MOMENTS)
    energy, variance = a, max(square - a**2, 0.0)
    if variance > max((EIGENSTATE * hamiltonian.lower_bound()) ** 2, 16 * np.finfo(float).eps * square):
        metric = np.array([[1.0, a], [a, square]])
        energies, states = np.linalg.eig(np.linalg.solve(metric, [[a, b], [square, cross]]))
        lowest = np.argmin(np.real(energies))
        energy, state = float(np.real(energies)[lowest]), np.real(states)[:, lowest]
        squares = state @ [[square, cross], [cross, b_square]] @ state
        variance = float(squares / (state @ metric @ state)) - energy**2
    score = v_score(hamiltonian.space.n_sites, shift + energy, variance, hamiltonian.infinite_temperature_energy)
    return np.array([shift + energy, variance, score])


def moment_terms(
    hamiltonian: SpinHamiltonian,
    ansatz: Ansatz,
    x: Int8[Array, "n_chains steps n_sites"],
    shift: float,
    chunk_size: int,
) -> dict[str, Float[np.ndarray, "n_chains steps"]]:
    """Re a, |a|², Re b, Re a*b and |b|² with a = hψ/ψ and b = h²ψ/ψ, which `lanczos_step` takes the means of.

    b(x) = Σ_x′ ⟨x|h|x′⟩ ψ(x′)/ψ(x) a(x′), with a(x′) of as many x′ at once as there are samples, and not of those where
    ψ is zero but for rounding.
    """
    flat = x.reshape(-1, x.shape[-1])
    n = len(flat)
    diagonal, factors = (np.array(part) for part in _elements(hamiltonian, ansatz, flat, chunk_size))
    a = diagonal - shift + np.sum(factors, axis=1)
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
    """⟨x|H|x⟩, and ⟨x|H|x′⟩ ψ(x′)/ψ(x) of every term: 0 where it does not act, or ψ(x′) is zero but for rounding."""

    def of_all(fast: Ansatz) -> tuple[Array, Array]:
        def of_one(y: Int8[Array, " n_sites"]) -> tuple[Array, Array]:
            moves, amplitudes = hamiltonian.connected(y)
            acts = amplitudes != 0
            ratios = jnp.where(acts, jnp.exp(fast.log_ratios(fast.start(y), y, moves)), 0)
            sizes = jnp.abs(ratios)
            is_there = sizes > ZERO * jnp.finfo(sizes.dtype).eps * jnp.max(sizes)
            return hamiltonian.diagonal(y), jnp.where(is_there, amplitudes * ratios, 0)

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

"""One Lanczos step: averages and the step against dense matrices, error bars, eigenstates, zeros of ψ."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float
from systems import HAMILTONIANS, RING, DzyaloshinskiiMoriya, pair_product, rbm, wave_function

import nqs
from hamiltonians.exact import all_states, ground_state, sparse_matrix
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from hamiltonians.sector import sector
from hamiltonians.spin import SpinHamiltonian
from hamiltonians.symmetry import cell_translations
from nqs.ansatz.base import Ansatz
from nqs.ansatz.pair_product import PairProduct
from nqs.ansatz.projected import Projected
from nqs.blocks import Blocks, jackknife
from nqs.lanczos_step import MOMENTS, lanczos_step, measure_lanczos_step, moment_terms
from nqs.parallel import Communicator
from nqs.sampler.passes import SamplingPass

J1J2 = Heisenberg(Lattice("square", (3, 2)), second_coupling=0.5, marshall=False)
MARSHALL = HAMILTONIANS["heisenberg_marshall"]
ISING = TransverseIsing(Lattice("chain", (5,)), 1.0, 0.8)


class Listed(Ansatz):
    """log |ψ| of every configuration of free spins, by the number that its spins up are the digits of."""

    logs: Float[Array, " n_states"]

    def __init__(self, psi: Float[np.ndarray, " n_states"]):
        self.logs = jnp.log(jnp.asarray(psi))

    def __call__(self, x):
        return self.logs[jnp.sum(jnp.where(x > 0, 2 ** jnp.arange(len(x)), 0))]


def listed(hamiltonian: SpinHamiltonian, psi: Float[np.ndarray, " n_states"]) -> Listed:
    """The positive wave function whose values are `psi` in the order of `all_states`."""
    values, digits = np.zeros_like(psi), 2 ** np.arange(hamiltonian.space.n_sites)
    values[(all_states(hamiltonian.space) > 0) @ digits] = psi
    return Listed(values)


def exact_step(hamiltonian: SpinHamiltonian, ansatz: Ansatz) -> tuple[float, float]:
    """The lower eigenvalue of H between ψ and Hψ, by Gram-Schmidt, and the variance of its eigenvector."""
    matrix = sparse_matrix(hamiltonian).toarray()
    psi = wave_function(ansatz, all_states(hamiltonian.space))
    basis = np.linalg.qr(np.stack([psi, matrix @ psi], axis=1))[0]
    energies, vectors = np.linalg.eigh(basis.conj().T @ matrix @ basis)
    phi = basis @ vectors[:, 0]
    return energies[0], np.linalg.norm(matrix @ phi - energies[0] * phi) ** 2


def summed(hamiltonian: SpinHamiltonian, ansatz: Ansatz, shift: float, chunk_size: int) -> dict[str, np.floating]:
    """The averages over all configurations where ψ is not zero."""
    states = all_states(hamiltonian.space)
    density = np.abs(wave_function(ansatz, states)) ** 2
    states, density = states[density > 1e-18], density[density > 1e-18]
    terms = moment_terms(hamiltonian, ansatz, jnp.asarray(states)[:, None], shift, chunk_size)
    return {name: density @ values[:, 0] / np.sum(density) for name, values in terms.items()}


def assert_moments(means: dict[str, np.floating], matrix: np.ndarray, psi: np.ndarray) -> None:
    """⟨h⟩, ⟨h²⟩ twice, ⟨h³⟩ and ⟨h⁴⟩."""
    for name, power in zip(MOMENTS, (1, 2, 2, 3, 4), strict=True):
        expected = np.vdot(psi, np.linalg.matrix_power(matrix, power) @ psi).real / np.vdot(psi, psi).real
        assert means[name] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def move_of(hamiltonian: SpinHamiltonian) -> nqs.LocalFlip | nqs.Exchange:
    return nqs.LocalFlip() if hamiltonian.space.total_sz is None else nqs.Exchange(RING.edges())


@pytest.mark.parametrize(
    ("hamiltonian", "ansatz"),
    [
        (HAMILTONIANS["sherrington_kirkpatrick"], rbm("complex128")),
        (DzyaloshinskiiMoriya(RING), rbm("complex128", visible_bias=True)),
        (J1J2, pair_product()),
    ],
)
def test_averages_by_summation_give_the_step_of_dense_matrices(hamiltonian, ansatz):
    states, shift = all_states(hamiltonian.space), -1.7
    matrix = sparse_matrix(hamiltonian).toarray() - shift * np.eye(len(states))
    psi = wave_function(ansatz, states)
    means = summed(hamiltonian, ansatz, shift, 7)
    assert_moments(means, matrix, psi)
    energy, variance, score = lanczos_step(hamiltonian, shift, means)
    assert (energy, variance) == pytest.approx(exact_step(hamiltonian, ansatz), rel=1e-8)
    assert score == pytest.approx(6 * variance / energy**2)


@pytest.mark.parametrize("projected", [False, True])
def test_zeros_of_the_wave_function_are_left_out(projected):
    """Pairs tied by every translation of a ring of 8 vanish on some configurations, which H reaches from others."""
    hamiltonian = Heisenberg(Lattice("chain", (8,)), second_coupling=0.3, marshall=False)
    start = np.subtract.outer(np.arange(8), np.arange(8)) % 2 * 1.0
    ansatz = PairProduct(cell_translations((8,), (1,)), start, key=jax.random.key(0), stddev=0.5)
    if projected:
        ansatz = Projected(ansatz, sector(hamiltonian.lattice, 8, spin_flip=1))
    psi = wave_function(ansatz, all_states(hamiltonian.space))
    is_there = np.abs(psi) > 1e-9
    assert 0 < np.sum(~is_there) < len(psi) / 2
    matrix = sparse_matrix(hamiltonian).toarray()
    assert np.max(np.abs(matrix[np.ix_(~is_there, is_there)])) > 0.1
    assert_moments(summed(hamiltonian, ansatz, 0.0, 16), matrix[np.ix_(is_there, is_there)], psi[is_there])


def measured(hamiltonian: SpinHamiltonian, ansatz: Ansatz, shift: float) -> list[tuple[float, float]]:
    """Energy, variance and V-score from 256 samples, each with its error."""
    sampler = nqs.Metropolis(move_of(hamiltonian), n_chains=64, n_samples=256)
    sampling = SamplingPass(hamiltonian.space, sampler, Communicator(), 256, 10)
    found = measure_lanczos_step(hamiltonian, sampling, ansatz, jax.random.key(0), shift, 64)
    assert found is not None
    assert [one.units for one in found.values()] == ["unit of J", "(unit of J)^2", "1"]
    assert list(found) == ["lanczos_energy", "lanczos_variance", "lanczos_v_score"]
    return [(one.mean, one.error) for one in found.values()]


def test_eigenstates_stay():
    """The ferromagnet, where every local energy is that of the bonds; and a ground state but for its rounding."""
    (energy, _), (variance, _), _ = measured(HAMILTONIANS["heisenberg"], rbm(stddev=0.0), 1.5)
    assert (energy, variance) == pytest.approx((1.5, 0), abs=1e-11)
    energies, vectors = ground_state(ISING)
    for shift in (energies[0], 0.0):
        (energy, error), (variance, _), _ = measured(ISING, listed(ISING, np.abs(vectors[:, 0])), shift)
        assert (energy, error, variance) == pytest.approx((energies[0], 0, 0), abs=1e-9)


def test_an_eigenstate_that_a_step_reaches_has_no_error():
    energies, vectors = ground_state(ISING, 3)
    vectors = vectors * np.sign(vectors[0])
    psi = vectors[:, 0] + 0.2 * vectors[:, 2]
    assert np.all(psi > 0)
    (energy, error), (variance, _), _ = measured(ISING, listed(ISING, psi), energies[0] + 0.1)
    assert (energy, error, variance) == pytest.approx((energies[0], 0, 0), abs=1e-9)


def good() -> tuple[SpinHamiltonian, Ansatz]:
    vector = np.abs(ground_state(ISING)[1][:, 0])
    return ISING, listed(ISING, vector * np.exp(0.2 * np.random.default_rng(0).normal(size=len(vector))))


@pytest.mark.slow
@pytest.mark.parametrize(("make", "n_numbers"), [(good, 1), (lambda: (MARSHALL, rbm(stddev=0.1)), 3)])
def test_z_scores(make, n_numbers):
    """400 runs of 32 chains at once: energy, variance and V-score lie about the exact ones as their errors say.

    Of a good ψ only the energy: the variance has a long tail there.
    """
    hamiltonian, ansatz = make()
    n_runs, n_chains, per_chain, shift = 400, 32, 32, -2.0
    every = n_runs * n_chains
    sampler = nqs.Metropolis(move_of(hamiltonian), every, every * per_chain, sweeps=2)
    sampling = SamplingPass(hamiltonian.space, sampler, Communicator(), sampler.n_samples, 20)
    ((samples, _),) = sampling.samples(ansatz, jax.random.key(1), "")
    terms = moment_terms(hamiltonian, ansatz, samples, shift, 4096)
    energy, variance = exact_step(hamiltonian, ansatz)
    exact, scores = np.array([energy, variance, hamiltonian.space.n_sites * variance / energy**2]), []
    for run in range(n_runs):
        blocks = Blocks(n_chains, per_chain)
        blocks.add({name: values[run * n_chains : (run + 1) * n_chains] for name, values in terms.items()})
        sums = blocks.gathered(Communicator()) or {}
        values, errors = jackknife(lambda means: lanczos_step(hamiltonian, shift, means), sums, blocks.sizes)
        scores.append(((values - exact) / errors)[:n_numbers])
    assert np.all(np.abs(np.mean(scores, axis=0)) < 4 / np.sqrt(n_runs))
    assert np.all(np.abs(np.std(scores, axis=0) - 1) < 0.15)

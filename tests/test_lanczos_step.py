"""One Lanczos step: moments and the step against dense matrices, error bars, an eigenstate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import HAMILTONIANS, RING, pair_product, rbm, wave_function

import nqs
from hamiltonians.exact import all_states, sparse_matrix
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.lattice import Lattice
from nqs.blocks import Blocks, jackknife
from nqs.lanczos_step import MOMENTS, lanczos_step, measure_lanczos_step, moment_terms
from nqs.parallel import Communicator
from nqs.sampler.passes import SamplingPass

J1J2 = Heisenberg(Lattice("square", (3, 2)), second_coupling=0.5, marshall=False)


def exact_step(hamiltonian, ansatz) -> tuple[float, float]:
    """The lower eigenvalue of H between ψ and Hψ, by Gram-Schmidt, and the variance of its eigenvector."""
    matrix = sparse_matrix(hamiltonian).toarray()
    psi = wave_function(ansatz, all_states(hamiltonian.space))
    basis = np.linalg.qr(np.stack([psi, matrix @ psi], axis=1))[0]
    energies, vectors = np.linalg.eigh(basis.conj().T @ matrix @ basis)
    phi = basis @ vectors[:, 0]
    return energies[0], np.linalg.norm(matrix @ phi - energies[0] * phi) ** 2


@pytest.mark.parametrize(
    ("hamiltonian", "ansatz"),
    [
        (HAMILTONIANS["ising_ring"], rbm()),
        (HAMILTONIANS["heisenberg"], rbm("complex128", visible_bias=True)),
        (HAMILTONIANS["sherrington_kirkpatrick"], rbm("complex128")),
        (J1J2, pair_product()),
    ],
)
@pytest.mark.parametrize("shift", [0.0, -1.7])
def test_moments_by_summation_give_the_step_of_dense_matrices(hamiltonian, ansatz, shift):
    states = all_states(hamiltonian.space)
    matrix = sparse_matrix(hamiltonian).toarray() - shift * np.eye(len(states))
    psi = wave_function(ansatz, states)
    density = np.abs(psi) ** 2 / np.sum(np.abs(psi) ** 2)
    terms = moment_terms(hamiltonian, ansatz, jnp.asarray(states)[:, None], shift, 7)
    moments = {name: density @ values[:, 0] for name, values in terms.items()}
    for name, power in zip(MOMENTS, (1, 2, 2, 3, 4), strict=True):
        expected = np.vdot(psi, np.linalg.matrix_power(matrix, power) @ psi).real / np.vdot(psi, psi).real
        assert moments[name] == pytest.approx(expected, rel=1e-9, abs=1e-9)
    energy, variance = lanczos_step(moments)
    assert (shift + energy, variance) == pytest.approx(exact_step(hamiltonian, ansatz), rel=1e-8)


def test_an_eigenstate_stays():
    """The ferromagnet, where every local energy is that of the bonds."""
    hamiltonian, ansatz = HAMILTONIANS["heisenberg"], rbm(stddev=0.0)
    sampler = nqs.Metropolis(nqs.Exchange(RING.edges()), n_chains=4, n_samples=64)
    sampling = SamplingPass(hamiltonian.space, sampler, Communicator(), 64, 0)
    found = measure_lanczos_step(hamiltonian, sampling, ansatz, jax.random.key(0), 1.5, 64)
    assert found is not None
    assert found["lanczos_energy"].mean == pytest.approx(1.5, abs=1e-12)
    assert found["lanczos_variance"].mean == pytest.approx(0, abs=1e-12)


def test_z_scores():
    """400 runs of 32 chains at once: energy and variance lie about the exact ones as their errors say."""
    hamiltonian, ansatz = HAMILTONIANS["heisenberg_marshall"], rbm(stddev=0.1)
    n_runs, n_chains, per_chain = 400, 32, 32
    every = n_runs * n_chains
    sampler = nqs.Metropolis(nqs.Exchange(RING.edges()), every, every * per_chain, sweeps=2)
    sampling = SamplingPass(hamiltonian.space, sampler, Communicator(), sampler.n_samples, 20)
    ((samples, _),) = sampling.samples(ansatz, jax.random.key(1), "")
    terms = moment_terms(hamiltonian, ansatz, samples, -2.0, 4096)
    exact = np.array(exact_step(hamiltonian, ansatz)) - [-2.0, 0]
    scores = []
    for run in range(n_runs):
        blocks = Blocks(n_chains, per_chain)
        blocks.add({name: values[run * n_chains : (run + 1) * n_chains] for name, values in terms.items()})
        values, errors = jackknife(lanczos_step, blocks.gathered(Communicator()) or {}, blocks.sizes)
        scores.append((values - exact) / errors)
    assert np.all(np.abs(np.mean(scores, axis=0)) < 4 / np.sqrt(n_runs))
    assert np.all(np.abs(np.std(scores, axis=0) - 1) < 0.15)


def test_the_step_is_reported_with_its_units():
    hamiltonian, ansatz = HAMILTONIANS["heisenberg_marshall"], rbm(stddev=0.1)
    sampler = nqs.Metropolis(nqs.Exchange(RING.edges()), n_chains=64, n_samples=512, sweeps=4)
    sampling = SamplingPass(hamiltonian.space, sampler, Communicator(), 8192, 20)
    found = measure_lanczos_step(hamiltonian, sampling, ansatz, jax.random.key(0), -2.0, 64)
    assert found is not None
    energy, variance, score = (found[f"lanczos_{name}"] for name in ("energy", "variance", "v_score"))
    for one, exact in zip((energy, variance), exact_step(hamiltonian, ansatz), strict=True):
        assert abs(one.mean - exact) < 5 * one.error < abs(exact)
    assert score.mean == pytest.approx(6 * variance.mean / energy.mean**2)
    assert (energy.units, variance.units, score.units) == ("unit of J", "(unit of J)^2", "1")

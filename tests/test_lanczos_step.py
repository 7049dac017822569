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
    powers = [psi]
    for name in MOMENTS:
        powers.append(matrix @ powers[-1])
        expected = np.vdot(psi, powers[-1]).real / np.vdot(psi, psi).real
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


def test_the_measured_energy_has_the_error_that_it_says():
    """Sixty-four seeds: the energies lie about the exact one as their errors say, below that of ψ by many of them."""
    hamiltonian, ansatz = HAMILTONIANS["heisenberg"], rbm("complex128", stddev=0.15)
    sampler = nqs.Metropolis(nqs.Exchange(RING.edges()), n_chains=32, n_samples=512, sweeps=4)
    sampling = SamplingPass(hamiltonian.space, sampler, Communicator(), 512, 20)
    energy, variance = exact_step(hamiltonian, ansatz)
    found = [
        measure_lanczos_step(hamiltonian, sampling, ansatz, jax.random.key(seed), -2.0, 64) or {} for seed in range(64)
    ]
    energies = [one["lanczos_energy"] for one in found]
    scores = [(one.mean - energy) / one.error for one in energies]
    assert abs(np.mean(scores)) < 4 / np.sqrt(64)
    assert 0.7 < np.std(scores) < 1.4
    assert found[0]["lanczos_variance"].mean == pytest.approx(variance, rel=0.3)
    assert found[0]["lanczos_v_score"].mean == pytest.approx(
        6 * found[0]["lanczos_variance"].mean / energies[0].mean ** 2
    )
    assert energies[0].units == hamiltonian.energy_unit

"""Local energies against the matrix of the Hamiltonian."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from systems import ANSATZE, HAMILTONIANS, N_SITES, all_local_energies, exact_system, log_psi, rbm

from hamiltonians.exact import all_states, sparse_matrix
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.lattice import Lattice


@pytest.mark.parametrize("ansatz", ANSATZE)
@pytest.mark.parametrize("hamiltonian", HAMILTONIANS)
def test_the_exact_average_is_the_expectation_value(hamiltonian, ansatz):
    _, probabilities, energies, expected = exact_system(HAMILTONIANS[hamiltonian], ANSATZE[ansatz]())
    energy = probabilities @ energies
    assert abs(energy - expected) < 1e-10 * abs(expected)


@pytest.mark.parametrize("ansatz", ["rbm_complex_visible", "ffn_tanh_phase"])
@pytest.mark.parametrize("hamiltonian", HAMILTONIANS)
def test_every_local_energy_is_a_row_of_the_matrix(hamiltonian, ansatz):
    model, psi_model = HAMILTONIANS[hamiltonian], ANSATZE[ansatz]()
    states = all_states(model.space)
    psi = np.exp(np.asarray(log_psi(psi_model, states)))
    energies = np.asarray(all_local_energies(model, psi_model, states, len(states)))
    np.testing.assert_allclose(energies, sparse_matrix(model) @ psi / psi, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("chunk_size", [1, 7, 16, 1000])
def test_chunks_change_nothing(chunk_size):
    hamiltonian, ansatz = HAMILTONIANS["ising_ring"], rbm("complex128")
    states = all_states(hamiltonian.space)
    whole = all_local_energies(hamiltonian, ansatz, states, len(states))
    parts = all_local_energies(hamiltonian, ansatz, states, chunk_size)
    assert parts.shape == (len(states),)
    np.testing.assert_allclose(parts, whole, rtol=1e-13)


def test_a_term_that_does_not_act_may_overflow():
    """With equal visible biases of 500 an exchange of unequal spins changes nothing; of equal ones e^2000."""
    hamiltonian = Heisenberg(Lattice("chain", (N_SITES,)), marshall=False)
    plain = rbm(visible_bias=True)
    steep = eqx.tree_at(lambda a: a.visible_bias, plain, jnp.full(N_SITES, 500.0))
    flat = eqx.tree_at(lambda a: a.visible_bias, plain, jnp.zeros(N_SITES))
    states = all_states(hamiltonian.space)
    expected = all_local_energies(hamiltonian, flat, states, 20)
    np.testing.assert_allclose(all_local_energies(hamiltonian, steep, states, 20), expected, rtol=1e-10)

"""Local energies against the matrix of the Hamiltonian."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import ANSATZE, HAMILTONIANS, N_SITES, all_local_energies, rbm, wave_function

from hamiltonians.exact import all_states, sparse_matrix
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.lattice import Lattice
from nqs.ansatz.feed_forward import FeedForward

# Every wave function with moves of one site and of two, and real and complex ones of each kind with every Hamiltonian.
EACH_KIND = ["rbm_visible", "rbm_complex_visible", "ffn_log_cosh", "ffn_tanh_phase", "flax_complex"]
PAIRS = [(h, a) for h in HAMILTONIANS for a in ANSATZE if a in EACH_KIND or h in ("ising_ring", "heisenberg")]


@pytest.mark.parametrize(("hamiltonian", "ansatz"), PAIRS)
def test_local_energies_and_their_exact_average(hamiltonian, ansatz):
    """E_L(x) is (Hψ)(x)/ψ(x) for each x, and its average over |ψ|² is ⟨ψ|H|ψ⟩."""
    model, wave = HAMILTONIANS[hamiltonian], ANSATZE[ansatz]()
    states = all_states(model.space)
    psi = wave_function(wave, states)
    h_psi = sparse_matrix(model) @ psi
    energies = np.asarray(all_local_energies(model, wave, states, len(states)))
    np.testing.assert_allclose(energies, h_psi / psi, rtol=1e-10, atol=1e-10)
    expected = np.vdot(psi, h_psi)
    assert abs(np.abs(psi) ** 2 @ energies - expected) < 1e-10 * abs(expected)


@pytest.mark.parametrize("chunk_size", [1, 7, 16, 1000])
@pytest.mark.parametrize(("hamiltonian", "ansatz"), [("ising_ring", "rbm_complex_visible"), ("heisenberg", "cnn")])
def test_chunks_change_nothing(hamiltonian, ansatz, chunk_size):
    hamiltonian, ansatz = HAMILTONIANS[hamiltonian], ANSATZE[ansatz]()
    states = all_states(hamiltonian.space)
    whole = all_local_energies(hamiltonian, ansatz, states, len(states))
    parts = all_local_energies(hamiltonian, ansatz, states, chunk_size)
    assert parts.shape == (len(states),)
    np.testing.assert_allclose(parts, whole, rtol=1e-13)


def test_a_lattice_without_bonds_has_the_diagonal_energy():
    hamiltonian = Heisenberg(Lattice("chain", (1,), periodic=False), total_sz=None, longitudinal_field=0.5)
    states = all_states(hamiltonian.space)
    energies = all_local_energies(hamiltonian, FeedForward(1, (2,), key=jax.random.key(0)), states, 2)
    np.testing.assert_allclose(energies, -0.25 * np.asarray(states)[:, 0])


def test_a_term_that_does_not_act_may_overflow():
    """With equal visible biases of 500 an exchange of unequal spins changes nothing; of equal ones e^2000."""
    hamiltonian = Heisenberg(Lattice("chain", (N_SITES,)), marshall=False)
    plain = rbm(visible_bias=True)
    steep = eqx.tree_at(lambda a: a.visible_bias, plain, jnp.full(N_SITES, 500.0))
    flat = eqx.tree_at(lambda a: a.visible_bias, plain, jnp.zeros(N_SITES))
    states = all_states(hamiltonian.space)
    expected = all_local_energies(hamiltonian, flat, states, 20)
    np.testing.assert_allclose(all_local_energies(hamiltonian, steep, states, 20), expected, rtol=1e-10)

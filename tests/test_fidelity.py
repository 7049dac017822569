"""The ground space and the overlap with it, against dense diagonalisation."""

import numpy as np
import pytest
from systems import rbm, wave_function

from hamiltonians.exact import all_states, ground_space, sparse_matrix
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from hamiltonians.pauli_strings import PauliStrings
from hamiltonians.sector import sector
from nqs.ansatz.projected import Projected
from nqs.fidelity import can_be_enumerated, fidelity

SEVEN = Lattice("chain", (7,))
COMPLEX = {"XYIIIII": 1.0, "IXYIIII": 0.7, "IIIZZII": 1.1, "IIIIXIX": 0.3, "IIIIIZI": 0.2, "ZIIIIII": 0.1}

CASES = {
    "one_state": (TransverseIsing(SEVEN, 1.0, 1.0), 1),
    "small": (TransverseIsing(Lattice("chain", (4,)), 1.0, 0.0), 2),
    "ferromagnet": (Heisenberg(SEVEN, -1.0, total_sz=None), 8),
    "odd_ring": (Heisenberg(SEVEN, total_sz=0.5), 2),
    "complex": (PauliStrings(COMPLEX), None),
}


@pytest.mark.parametrize("labels", [((3,), None, -1), ((0,), "A1", 1), ((1,), None, None)])
def test_a_projected_state_is_compared_with_its_sector(labels):
    """By dense matrices: the lowest states with ψ(g x) = χ_g ψ(x)."""
    ring = Lattice("chain", (6,))
    hamiltonian, chosen = Heisenberg(ring, total_sz=0.0), sector(ring, 6, *labels)
    states = all_states(hamiltonian.space)
    images = (states[:, g] * f for g, f in zip(chosen.permutations, chosen.flips, strict=True))
    same = [np.all(states[None] == image[:, None], axis=2) for image in images]
    projector = np.tensordot(np.conj(chosen.characters), np.array(same, float), 1) / len(chosen.flips)
    kept = np.linalg.svd(projector)[0][:, : round(np.trace(projector).real)]
    energies, vectors = np.linalg.eigh(kept.conj().T @ sparse_matrix(hamiltonian).toarray() @ kept)
    exact = kept @ vectors[:, energies - energies[0] < 1e-8]
    ansatz = Projected(rbm("complex128", n_sites=6, stddev=0.5), chosen)
    psi, observable = wave_function(ansatz, states), fidelity(hamiltonian, ansatz, 50)
    assert observable.mean == pytest.approx(np.sum(np.abs(exact.conj().T @ psi) ** 2), abs=1e-7)
    assert observable.mean > 1e-3
    assert f"E0 = {energies[0]:.10g}" in observable.long_name
    assert "of its sector" in observable.long_name


@pytest.mark.parametrize("name", CASES)
def test_the_whole_ground_space_counts(name):
    hamiltonian, degeneracy = CASES[name]
    matrix = sparse_matrix(hamiltonian).toarray()
    energies, vectors = np.linalg.eigh(matrix)
    exact = vectors[:, energies - energies[0] < 1e-8]
    energy, found = ground_space(hamiltonian)
    assert energy == pytest.approx(energies[0], abs=1e-9)
    assert found.shape == exact.shape
    assert degeneracy in (None, found.shape[1])
    np.testing.assert_allclose(found @ found.conj().T, exact @ exact.conj().T, atol=1e-7)
    ansatz = rbm("complex128", visible_bias=True, n_sites=hamiltonian.space.n_sites, stddev=0.5)
    psi = wave_function(ansatz, all_states(hamiltonian.space))
    observable = fidelity(hamiltonian, ansatz, 50)
    assert observable.mean == pytest.approx(np.sum(np.abs(exact.conj().T @ psi) ** 2), abs=1e-7)
    assert observable.error == 0
    is_one = found.shape[1] == 1
    assert ("the exact ground state" if is_one else f"the {found.shape[1]} exact ground states") in observable.long_name


def test_only_small_spaces_are_enumerated():
    assert can_be_enumerated(Heisenberg(Lattice("chain", (18,))), rbm(n_sites=18))
    assert not can_be_enumerated(Heisenberg(Lattice("chain", (20,))), rbm(n_sites=20))
    assert not can_be_enumerated(TransverseIsing(Lattice("chain", (40,))), rbm(n_sites=40))
    square = Lattice("square", (4, 4))
    for momentum, is_small in ((None, True), ((0, 0), False)):
        projected = Projected(rbm("complex128", n_sites=16), sector(square, 16, momentum, "A1"))
        assert can_be_enumerated(TransverseIsing(square), projected) == is_small

"""Matrices of the Hamiltonians against NetKet's, and input that no Hamiltonian takes."""

from typing import ClassVar

import equinox as eqx
import netket as nk
import numpy as np
import pytest

from hamiltonians.exact import all_states, ground_state, sparse_matrix
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from hamiltonians.sherrington_kirkpatrick import SherringtonKirkpatrick, gaussian_couplings, upper_triangle
from hamiltonians.space import Spins
from hamiltonians.spin import FlipTerms, SpinHamiltonian, ZStrings

CHAIN = Lattice("chain", (7,))
SQUARE = Lattice("square", (3, 3))
LATTICES = [CHAIN, SQUARE, Lattice("square", (2, 4)), Lattice("cubic", (2, 3, 1)), Lattice("cubic", (2, 2, 2), False)]


def assert_same_matrix(hamiltonian: SpinHamiltonian, terms: dict[str, float]) -> None:
    """Equal to NetKet's sum of Pauli strings in the order of `all_states`; NetKet orders its states differently."""
    space = hamiltonian.space
    hilbert = nk.hilbert.Spin(0.5, space.n_sites)
    matrix = nk.operator.PauliStringsNumba(hilbert, list(terms), np.array(list(terms.values()), complex)).to_sparse()
    numbers = hilbert.states_to_numbers(all_states(space))
    expected = matrix[numbers][:, numbers].toarray()
    np.testing.assert_allclose(sparse_matrix(hamiltonian).toarray(), expected, rtol=0, atol=1e-13)


def string(n_sites: int, **sites: int) -> str:
    """A Pauli string such as XIIY, from the site of each letter: X=0, Y=3; ZZ takes a pair."""
    letters = ["I"] * n_sites
    for letter, places in sites.items():
        for place in np.atleast_1d(places):
            letters[place] = letter[0]
    return "".join(letters)


@pytest.mark.parametrize("lattice", LATTICES)
def test_transverse_ising(lattice):
    n = lattice.n_sites
    terms = {string(n, ZZ=edge): -1.1 for edge in lattice.edges()}
    terms |= {string(n, X=i): -0.7 for i in range(n)} | {string(n, Z=i): -0.3 for i in range(n)}
    assert_same_matrix(TransverseIsing(lattice, 1.1, 0.7, 0.3), terms)


def test_the_convention_of_netkets_ising_model():
    hamiltonian = TransverseIsing(SQUARE, 1.1, 0.7)
    operator = nk.operator.Ising(nk.hilbert.Spin(0.5, 9), nk.graph.Square(3), h=0.7, J=-1.1)
    numbers = operator.hilbert.states_to_numbers(all_states(hamiltonian.space))
    difference = operator.to_sparse()[numbers][:, numbers] - sparse_matrix(hamiltonian)
    assert abs(difference).max() < 1e-13


@pytest.mark.parametrize(
    ("lattice", "marshall"),
    [(CHAIN, False), (SQUARE, False), (LATTICES[2], False), (LATTICES[2], True), (LATTICES[3], False)],
)
@pytest.mark.parametrize("total_sz", [None, 1.0])
def test_heisenberg(lattice, marshall, total_sz):
    n = lattice.n_sites
    if total_sz is not None:
        total_sz += n % 2 / 2
    exchange = -1.3 / 4 if marshall else 1.3 / 4
    terms = {string(n, ZZ=edge): 1.3 / 4 for edge in lattice.edges()}
    terms |= {string(n, XX=edge): exchange for edge in lattice.edges()}
    terms |= {string(n, YY=edge): exchange for edge in lattice.edges()}
    assert_same_matrix(Heisenberg(lattice, 1.3, total_sz, marshall), terms)


@pytest.mark.parametrize(
    ("lattice", "coupling", "marshall"),
    [(LATTICES[2], 1.0, True), (LATTICES[2], -1.0, False), (SQUARE, 1.0, False), (CHAIN, 1.0, False)],
)
def test_the_marshall_rotation_is_chosen_where_it_helps(lattice, coupling, marshall):
    total_sz = lattice.n_sites % 2 / 2
    chosen = Heisenberg(lattice, coupling, total_sz)
    assert chosen.marshall == marshall
    difference = sparse_matrix(chosen) - sparse_matrix(Heisenberg(lattice, coupling, total_sz, marshall))
    assert abs(difference).max() == 0


def test_sherrington_kirkpatrick():
    couplings = gaussian_couplings(6, 1)
    terms = {string(6, ZZ=pair): -couplings[tuple(pair)] for pair in np.stack(np.triu_indices(6, 1), axis=-1)}
    terms |= {string(6, X=i): -0.4 for i in range(6)}
    assert_same_matrix(SherringtonKirkpatrick(couplings, 0.4), terms)
    assert_same_matrix(SherringtonKirkpatrick(couplings + couplings.T, 0.4), terms)


class DzyaloshinskiiMoriya(SpinHamiltonian):
    """H = Σ_⟨ij⟩ (X_i Y_j − Y_i X_j): Y = iXZ makes the amplitudes imaginary."""

    space: Spins
    diagonal_terms: tuple[ZStrings, ...]
    flip_terms: FlipTerms
    convention: ClassVar[str] = "H = sum XY - YX"
    energy_unit: ClassVar[str] = "1"

    def __init__(self, lattice: Lattice):
        edges = lattice.edges()
        self.space = Spins(lattice.n_sites)
        self.diagonal_terms = ()
        self.flip_terms = FlipTerms(edges, np.tile([-1j, 1j], (len(edges), 1)), edges[:, :, None])

    def reference_energy(self) -> float | None:
        return None


def test_imaginary_amplitudes():
    edges = CHAIN.edges()
    terms = {string(7, X=i, Y=j): 1.0 for i, j in edges} | {string(7, Y=i, X=j): -1.0 for i, j in edges}
    assert_same_matrix(DzyaloshinskiiMoriya(CHAIN), terms)


@pytest.mark.parametrize("lattice", [Lattice("chain", (6,)), Lattice("chain", (5,), False), Lattice("square", (2, 4))])
def test_marshall_rotation_keeps_the_spectrum_and_makes_the_ground_state_positive(lattice):
    total_sz = lattice.n_sites % 2 / 2
    plain = sparse_matrix(Heisenberg(lattice, 1.0, total_sz, marshall=False)).toarray()
    rotated = Heisenberg(lattice, 1.0, total_sz, marshall=True)
    assert np.linalg.eigvalsh(plain) == pytest.approx(np.linalg.eigvalsh(sparse_matrix(rotated).toarray()), abs=1e-12)
    vector = ground_state(rotated)[1][:, 0]
    assert np.all(vector * np.sign(vector[0]) > 0)


def test_ground_state_of_both_solvers():
    hamiltonian = TransverseIsing(Lattice("chain", (8,)), 1.0, 0.9, 0.2)
    energies, vectors = ground_state(hamiltonian, 3)
    matrix = sparse_matrix(hamiltonian)
    assert energies == pytest.approx(np.linalg.eigvalsh(matrix.toarray())[:3], abs=1e-10)
    np.testing.assert_allclose(matrix @ vectors, vectors * energies, atol=1e-9)
    small = TransverseIsing(Lattice("chain", (2,)), 1.0, 1.0)
    assert ground_state(small)[0] == pytest.approx([-np.sqrt(1 + 2**2)], abs=1e-12)


def test_a_term_that_leaves_the_sector_is_refused():
    hamiltonian = eqx.tree_at(lambda h: h.space, TransverseIsing(CHAIN), Spins(7, 0.5))
    with pytest.raises(ValueError, match="leaves the space"):
        sparse_matrix(hamiltonian)


def test_bad_heisenberg_models_are_refused():
    with pytest.raises(ValueError, match="bipartite"):
        Heisenberg(CHAIN, total_sz=0.5, marshall=True)
    with pytest.raises(ValueError, match="total_sz"):
        Heisenberg(CHAIN, total_sz=0.0)


@pytest.mark.parametrize(
    ("couplings", "message"),
    [
        (np.zeros((2, 3)), "square"),
        (np.zeros((1, 1)), "square"),
        (np.eye(3), "diagonal"),
        (np.array([[0.0, np.nan], [0.0, 0.0]]), "finite"),
        (np.array([[0.0, 1.0], [-1.0, 0.0]]), "symmetric"),
        (np.array([[0.0, 0.0], [1.0, 0.0]]), "symmetric"),
    ],
)
def test_bad_couplings_are_refused(couplings, message):
    with pytest.raises(ValueError, match=message):
        upper_triangle(couplings)

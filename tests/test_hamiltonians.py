"""Matrices of the Hamiltonians against NetKet's, and input that no Hamiltonian takes."""

from collections import Counter

import equinox as eqx
import netket as nk
import numpy as np
import pytest
from systems import DzyaloshinskiiMoriya

from hamiltonians.exact import all_states, ground_state, sparse_matrix
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import EdgeList, Lattice
from hamiltonians.netket_operators import from_netket, pauli_strings
from hamiltonians.pauli_strings import PauliStrings
from hamiltonians.sherrington_kirkpatrick import SherringtonKirkpatrick, gaussian_couplings, upper_triangle
from hamiltonians.space import Spins
from hamiltonians.spin import SpinHamiltonian

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


@pytest.mark.parametrize(
    ("lattice", "marshall"), [(Lattice("chain", (6,)), True), (SQUARE, False), (Lattice("square", (2, 4), False), None)]
)
@pytest.mark.parametrize("total_sz", [None, 1.0])
def test_j1_j2_and_xxz_with_couplings_and_fields_of_their_own(lattice, marshall, total_sz):
    """Bond by bond in Pauli strings; the turned sublattice is that of the first neighbours."""
    n, random = lattice.n_sites, np.random.default_rng(0)
    first, second = random.uniform(0.5, 1.5, len(lattice.edges())), random.normal(size=len(lattice.edges(2)))
    fields = random.normal(size=n)
    colours = lattice.sublattices() if marshall is not False else np.zeros(n)
    terms: Counter[str] = Counter()
    for edges, couplings in ((lattice.edges(), first), (lattice.edges(2), second)):
        for (i, j), coupling in zip(edges, couplings, strict=True):
            sign = 1 if colours[i] == colours[j] else -1
            terms[string(n, ZZ=(i, j))] += 0.6 * coupling / 4
            terms[string(n, XX=(i, j))] += sign * coupling / 4
            terms[string(n, YY=(i, j))] += sign * coupling / 4
    for i in range(n):
        terms[string(n, Z=i)] -= fields[i] / 2
    total_sz = None if total_sz is None else total_sz + n % 2 / 2
    options = {"anisotropy": 0.6, "second_coupling": second, "longitudinal_field": fields}
    assert_same_matrix(Heisenberg(lattice, first, total_sz, marshall, **options), terms)


def test_ising_with_couplings_and_fields_of_their_own():
    random = np.random.default_rng(1)
    couplings, gammas, fields = random.normal(size=7), random.normal(size=7), random.normal(size=7)
    terms = {string(7, ZZ=edge): -j for edge, j in zip(CHAIN.edges(), couplings, strict=True)}
    terms |= {string(7, X=i): -gammas[i] for i in range(7)} | {string(7, Z=i): -fields[i] for i in range(7)}
    hamiltonian = TransverseIsing(CHAIN, couplings, gammas, fields)
    assert_same_matrix(hamiltonian, terms)
    assert hamiltonian.reference_energy() is None


@pytest.mark.parametrize(
    ("n_sites", "options"),
    [(6, {"anisotropy": 0.0}), (8, {"anisotropy": 0.0}), (8, {"second_coupling": 0.5}), (10, {"second_coupling": 0.5})],
)
def test_closed_forms_of_xx_and_majumdar_ghosh_rings(n_sites, options):
    hamiltonian = Heisenberg(Lattice("chain", (n_sites,)), **options)
    assert hamiltonian.reference_energy() == pytest.approx(ground_state(hamiltonian)[0][0], abs=1e-9)


def test_a_ring_of_edges_has_the_closed_form_of_the_ring():
    ring = EdgeList(6, tuple((i, (i + 1) % 6) for i in range(6)))
    assert Heisenberg(ring).reference_energy() == Heisenberg(Lattice("chain", (6,))).reference_energy()


@pytest.mark.parametrize(
    "options",
    [{"anisotropy": 0.5}, {"second_coupling": 0.4}, {"longitudinal_field": 0.1}, {"total_sz": 1.0}, {"coupling": -1.0}],
)
def test_no_closed_form_where_none_holds(options):
    assert Heisenberg(Lattice("chain", (8,)), **options).reference_energy() is None


def test_majumdar_and_ghosh_need_the_second_neighbours_of_the_ring():
    ring = tuple((i, (i + 1) % 8) for i in range(8))
    for graph in (Lattice("square", (8, 1)), EdgeList(8, ring, ((0, 2),))):
        assert Heisenberg(graph, second_coupling=0.5).reference_energy() is None


STRINGS = {
    "XXII": 0.5,
    "YYII": 0.3,
    "YYZI": -0.2,
    "IZZI": 0.7,
    "ZIII": -0.1,
    "IIII": 2.0,
    "XYZY": 0.4,
    "IIYX": 0.6,
    "IIXI": 1,
}


def test_pauli_strings():
    """Strings that flip the same sites are one move; an odd number of Y makes the matrix imaginary."""
    hamiltonian = PauliStrings(STRINGS)
    assert_same_matrix(hamiltonian, STRINGS)
    assert len(hamiltonian.flip_terms.flips) == 4
    assert hamiltonian.infinite_temperature_energy == 2.0
    assert pauli_strings(hamiltonian) == pytest.approx(STRINGS)


def test_pauli_strings_of_a_fixed_magnetisation():
    hopping = {"XXI": 0.5, "YYI": 0.5, "IXX": 0.3, "IYY": 0.3, "ZZZ": 1.0, "XZX": 0.2, "YZY": 0.2}
    assert_same_matrix(PauliStrings(hopping, 0.5), hopping)
    with pytest.raises(ValueError, match="flip the sites 0, 2 change the magnetisation"):
        PauliStrings({**hopping, "YZY": 0.1}, 0.5)


@pytest.mark.parametrize(
    ("strings", "message"),
    [({}, "there is none"), ({"XX": 1.0, "X": 1.0}, "letters"), ({"XA": 1.0}, "other"), ({"XX": np.inf}, "inf")],
)
def test_bad_pauli_strings_are_refused(strings, message):
    with pytest.raises(ValueError, match=message):
        PauliStrings(strings)


NETKET_SPINS = nk.hilbert.Spin(0.5, 6)
NETKET_OPERATORS = {
    "ising": lambda: nk.operator.Ising(NETKET_SPINS, nk.graph.Chain(6), h=0.7, J=-1.1),
    "heisenberg": lambda: nk.operator.Heisenberg(nk.hilbert.Spin(0.5, 6, total_sz=0), nk.graph.Chain(6)),
    "local": lambda: (
        nk.operator.spin.sigmam(NETKET_SPINS, 0) @ nk.operator.spin.sigmap(NETKET_SPINS, 3)
        + nk.operator.spin.sigmam(NETKET_SPINS, 3) @ nk.operator.spin.sigmap(NETKET_SPINS, 0)
        + nk.operator.spin.sigmaz(NETKET_SPINS, 2)
    ),
    "strings": lambda: nk.operator.PauliStrings(NETKET_SPINS, ["XYZIII", "ZIIIIZ"], [0.5, -1.5]),
}


@pytest.mark.parametrize("name", NETKET_OPERATORS)
def test_operators_of_netket_are_converted_and_back(name):
    operator = NETKET_OPERATORS[name]()
    hamiltonian = from_netket(operator)
    numbers = operator.hilbert.states_to_numbers(all_states(hamiltonian.space))
    expected = operator.to_sparse()[numbers][:, numbers].toarray()
    np.testing.assert_allclose(sparse_matrix(hamiltonian).toarray(), expected, atol=1e-12)
    back = hamiltonian.to_netket().to_sparse()[numbers][:, numbers].toarray()
    np.testing.assert_allclose(back, expected, atol=1e-12)


def test_every_model_goes_to_netket():
    for hamiltonian in (SherringtonKirkpatrick(gaussian_couplings(5, 0), 0.4), Heisenberg(Lattice("chain", (6,)))):
        operator = hamiltonian.to_netket()
        numbers = operator.hilbert.states_to_numbers(all_states(hamiltonian.space))
        found = operator.to_sparse()[numbers][:, numbers].toarray()
        np.testing.assert_allclose(found, sparse_matrix(hamiltonian).toarray(), atol=1e-12)


def test_what_is_no_spin_hamiltonian_of_netket_is_refused():
    with pytest.raises(ValueError, match="Hermitian"):
        from_netket(nk.operator.PauliStrings(NETKET_SPINS, ["XIIIII"], [1j]))
    with pytest.raises(ValueError, match="spins 1/2"):
        from_netket(nk.operator.BoseHubbard(nk.hilbert.Fock(2, 3), nk.graph.Chain(3), U=1.0))
    parts = nk.hilbert.constraint.SumOnPartitionConstraint((0, 0), (2, 2))
    with pytest.raises(ValueError, match="SumOnPartitionConstraint: only a total_sz can be converted"):
        from_netket(nk.operator.Heisenberg(nk.hilbert.Spin(0.5, 4, constraint=parts), nk.graph.Chain(4)))
    with pytest.raises(ValueError, match="zero"):
        from_netket(0.0 * nk.operator.Heisenberg(nk.hilbert.Spin(0.5, 4), nk.graph.Chain(4)))


@pytest.mark.parametrize("is_inverted", [False, True])
def test_up_is_where_z_is_1_in_either_order_of_netkets_states(is_inverted):
    spins = nk.hilbert.Spin(0.5, 4, total_sz=1, inverted_ordering=is_inverted)
    magnetisation = sum(nk.operator.spin.sigmaz(spins, site) for site in range(4))
    hamiltonian = from_netket(magnetisation)
    expected = np.diag(magnetisation.to_dense()).real
    np.testing.assert_allclose(sparse_matrix(hamiltonian).diagonal(), expected)
    assert expected[0] == (-2 if is_inverted else 2)


def test_sherrington_kirkpatrick():
    couplings = gaussian_couplings(6, 1)
    terms = {string(6, ZZ=pair): -couplings[tuple(pair)] for pair in np.stack(np.triu_indices(6, 1), axis=-1)}
    terms |= {string(6, X=i): -0.4 for i in range(6)}
    assert_same_matrix(SherringtonKirkpatrick(couplings, 0.4), terms)
    assert_same_matrix(SherringtonKirkpatrick(couplings + couplings.T, 0.4), terms)


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

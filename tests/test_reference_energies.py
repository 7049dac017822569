"""Closed forms, published numbers and exact diagonalisation agree."""

import numpy as np
import pytest

from hamiltonians.exact import all_states, ground_state, sparse_matrix
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from hamiltonians.sherrington_kirkpatrick import SherringtonKirkpatrick, gaussian_couplings


def chain(n_sites: int, periodic: bool = True) -> Lattice:
    return Lattice("chain", (n_sites,), periodic)


@pytest.mark.parametrize("field", [0.3, 1.0, 2.5, -0.7])
@pytest.mark.parametrize(("n_sites", "coupling"), [(4, 1.0), (8, 1.3), (8, -1.3)])
def test_ising_ring_is_that_of_lanczos(n_sites, coupling, field):
    hamiltonian = TransverseIsing(chain(n_sites), coupling, field)
    assert hamiltonian.reference_energy() == pytest.approx(ground_state(hamiltonian)[0][0], abs=1e-10)


@pytest.mark.parametrize(
    ("n_sites", "field", "energy"),
    [(80, 0.5, -85.0835527979), (80, 1.0, -101.8657088579), (80, 2.0, -170.1671055957), (20, 1.0, -25.4909896864)],
)
def test_ising_ring_is_that_of_the_table(n_sites, field, energy):
    assert TransverseIsing(chain(n_sites), 1.0, field).reference_energy() == pytest.approx(energy, abs=1e-9)


@pytest.mark.parametrize(("n_sites", "coupling"), [(4, 1.0), (6, 0.7), (10, 1.0), (12, 2.0)])
def test_heisenberg_ring_is_that_of_lanczos(n_sites, coupling):
    hamiltonian = Heisenberg(chain(n_sites), coupling, marshall=False)
    expected = pytest.approx(ground_state(hamiltonian)[0][0], abs=1e-10)
    assert hamiltonian.reference_energy() == expected
    assert Heisenberg(chain(n_sites), coupling, marshall=True).reference_energy() == expected
    assert Heisenberg(chain(n_sites), coupling, total_sz=None).reference_energy() == expected


@pytest.mark.parametrize(
    ("n_sites", "pauli_energy"),
    [(20, -35.617546120), (22, -39.1475226071), (80, -141.8483045989), (100, -177.2918283004)],
)
def test_heisenberg_ring_is_that_of_the_table(n_sites, pauli_energy):
    assert Heisenberg(chain(n_sites)).reference_energy() == pytest.approx(pauli_energy / 4, abs=1e-9)


def test_heisenberg_square_is_that_of_the_table():
    energies, _ = ground_state(Heisenberg(Lattice("square", (4, 4)), marshall=True))
    assert energies[0] == pytest.approx(-44.9139328 / 4, abs=1e-7)


@pytest.mark.parametrize(
    "hamiltonian",
    [
        TransverseIsing(chain(8, False)),
        TransverseIsing(chain(7)),
        TransverseIsing(chain(2)),
        TransverseIsing(chain(8), 1.0, 1.0, 0.1),
        TransverseIsing(Lattice("square", (4, 4))),
        Heisenberg(chain(8, False)),
        Heisenberg(chain(7), total_sz=0.5),
        Heisenberg(chain(2)),
        Heisenberg(chain(8), -1.0),
        Heisenberg(chain(8), total_sz=1.0),
        Heisenberg(Lattice("square", (4, 4))),
        SherringtonKirkpatrick(gaussian_couplings(4, 0), 1.0),
    ],
)
def test_no_closed_form_where_none_holds(hamiltonian):
    assert hamiltonian.reference_energy() is None


def test_sherrington_kirkpatrick_instance():
    couplings = gaussian_couplings(10, 0)
    assert couplings[0, 1] == pytest.approx(0.039759386937, abs=5e-13)
    assert np.sum(couplings**2) == pytest.approx(3.129766584356, abs=5e-13)
    classical = SherringtonKirkpatrick(couplings)
    assert sparse_matrix(classical).diagonal().min() == pytest.approx(-5.2381749611, abs=5e-11)
    np.testing.assert_array_equal(classical.instance()["couplings"], couplings)


def test_couplings_have_variance_one_over_n():
    n_sites, instances = 40, 30
    pairs = n_sites * (n_sites - 1) / 2 * instances
    total = sum(np.sum(gaussian_couplings(n_sites, instance) ** 2) for instance in range(instances))
    assert abs(total * n_sites / pairs - 1) < 4 * np.sqrt(2 / pairs)


@pytest.mark.parametrize(
    ("field", "energy", "odd_gap", "even_gap"),
    [
        (0.5, -6.9151857095, 0.034364, 0.725331),
        (1.0, -10.8523584359, 0.661243, 2.071820),
        (1.5, -15.5443288596, 1.618293, 3.868053),
    ],
)
def test_quantum_sherrington_kirkpatrick(field, energy, odd_gap, even_gap):
    hamiltonian = SherringtonKirkpatrick(gaussian_couplings(10, 0), field)
    energies, vectors = ground_state(hamiltonian, 12)
    parities = np.einsum(
        "xn,xn->n", vectors[::-1], vectors
    )  # all spins reversed is the state with the number 2^N − 1 − i
    assert np.array_equal(all_states(hamiltonian.space)[::-1], -all_states(hamiltonian.space))
    assert energies[0] == pytest.approx(energy, abs=6e-11)
    assert parities[0] == pytest.approx(1, abs=1e-9)
    assert energies[parities < -0.99][0] - energies[0] == pytest.approx(odd_gap, abs=6e-7)
    assert energies[parities > 0.99][1] - energies[0] == pytest.approx(even_gap, abs=6e-7)

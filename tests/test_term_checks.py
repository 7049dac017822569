"""Terms that a Hamiltonian of one's own may have by mistake, and symmetries that it has or not."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from systems import RING, rbm

import nqs
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.lattice import Lattice
from hamiltonians.pauli_strings import PauliStrings
from hamiltonians.sector import sector
from hamiltonians.sherrington_kirkpatrick import SherringtonKirkpatrick, gaussian_couplings
from hamiltonians.space import Spins
from hamiltonians.spin import FlipTerms, SpinHamiltonian, ZStrings, ZZMatrix
from hamiltonians.term_checks import has_symmetry, term_error
from nqs.errors import InputError

ALL = np.arange(6)


class Own(SpinHamiltonian):
    """Any terms on six sites."""

    space: Spins
    diagonal_terms: tuple[ZStrings | ZZMatrix, ...]
    flip_terms: FlipTerms
    convention: ClassVar[str] = "H"
    energy_unit: ClassVar[str] = "1"

    def __init__(self, diagonal_term, flips, total_sz=None, sites=None):
        self.space = Spins(6, total_sz)
        self.diagonal_terms = (diagonal_term,)
        n_strings = 1 if sites is None else np.shape(sites)[1]
        self.flip_terms = FlipTerms(flips, np.ones((len(flips), n_strings)), sites)

    def reference_energy(self) -> float | None:
        return None


NEIGHBOURS = ZStrings(1.0, np.stack([ALL[:-1], ALL[1:]], axis=1))
SHIFTED = ZStrings(1.0, np.stack([ALL, ALL + 1], axis=1))
PAIR = [[0, 1]]


@pytest.mark.parametrize(
    ("hamiltonian", "message"),
    [
        (Own(SHIFTED, ALL[:, None]), "diagonal_terms: there is no site 6, there are 0 to 5"),
        (Own(ZStrings(1.0, [[-1, 0]]), ALL[:, None]), "diagonal_terms: there is no site -1"),
        (Own(ZZMatrix(np.ones((5, 5))), ALL[:, None]), "diagonal_terms: a matrix of shape (5, 5) for 6 sites"),
        (Own(NEIGHBOURS, [[0], [7]]), "flip_terms: there is no site 7, there are 0 to 5, and 6 for none"),
        (Own(NEIGHBOURS, [[-1]]), "flip_terms: there is no site -1"),
        (Own(NEIGHBOURS, [[0, 1]], sites=[[[8]]]), "flip_terms: there is no site 8"),
        (Own(NEIGHBOURS, [[2, 2]]), "flip_terms: a term flips site 2 twice"),
        (Own(NEIGHBOURS, ALL[:, None], 0.0), "flip_terms: the term that flips the sites 0 leaves total_sz = 0"),
        (Own(NEIGHBOURS, PAIR, 0.0), "flip_terms: the term that flips the sites 0, 1 leaves total_sz = 0"),
    ],
)
def test_terms_that_cannot_be(hamiltonian, message):
    assert (term_error(hamiltonian) or "").startswith(message)


def test_no_energy_of_terms_that_cannot_be():
    sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=4, n_samples=8)
    with pytest.raises(InputError, match=r"hamiltonian\.diagonal_terms: there is no site 6"):
        nqs.VMC(Own(SHIFTED, ALL[:, None]), rbm(), sampler, nqs.sgd(0.1))


def test_terms_that_can_be():
    padded = [[0, 6], [6, 6], [2, 3]]
    assert term_error(Own(NEIGHBOURS, padded)) is None
    difference = PauliStrings({"XXIIII": 1.0, "YYIIII": 1.0}, 0.0)
    assert term_error(difference) is None, "XX + YY acts on opposite spins alone"
    assert term_error(SherringtonKirkpatrick(gaussian_couplings(6, 0), 1.0)) is None
    assert term_error(Heisenberg(Lattice("square", (3, 4)), total_sz=1.0, second_coupling=0.3, marshall=False)) is None


@pytest.mark.parametrize(
    ("options", "translated", "reflected", "flipped"),
    [
        ({}, True, True, True),
        ({"marshall": True, "second_coupling": 0.4}, True, True, True),
        ({"coupling": [1, 2, 1, 3, 1, 1]}, False, False, True),
        ({"longitudinal_field": [0.3] * 6, "total_sz": None}, True, True, False),
        ({"longitudinal_field": [0.3, 0.1, 0.2, 0.2, 0.1, 0.3], "total_sz": None}, False, False, False),
        ({"longitudinal_field": [0.3, 0.1, 0.2, 0.3, 0.2, 0.1], "total_sz": None}, False, True, False),
    ],
)
def test_symmetries_of_a_ring(options, translated, reflected, flipped):
    hamiltonian = Heisenberg(RING, **{"marshall": False} | options)
    assert has_symmetry(hamiltonian, sector(RING, 6, (1,))) == translated
    assert has_symmetry(hamiltonian, sector(RING, 6, None, "A2")) == reflected
    assert has_symmetry(hamiltonian, sector(RING, 6, spin_flip=-1)) == flipped


def test_what_few_spins_see():
    """Two spins down of a hundred, which meet the one bond that breaks the symmetry at few configurations."""
    ring = Lattice("chain", (100,))
    couplings = np.ones(100)
    couplings[7] = 3.0
    for scale in (1.0, 1e-10):
        broken = Heisenberg(ring, scale * couplings, 48.0, marshall=False)
        assert not has_symmetry(broken, sector(ring, 100, None, "A1"))
        assert has_symmetry(Heisenberg(ring, scale, 48.0, marshall=False), sector(ring, 100, None, "A1"))


def test_terms_of_one_mask_count_together():
    """XX and YY apart leave the magnetisation, their sum does not."""
    apart = Own(NEIGHBOURS, [[0, 1], [0, 1]], 0.0, sites=[[[6, 6]], [[0, 1]]])
    together = eqx.tree_at(lambda h: h.flip_terms.coefficients, apart, jnp.array([[1.0], [-1.0]]))
    assert term_error(together) is None
    assert "leaves total_sz" in (term_error(apart) or "")


def test_a_symmetry_of_couplings_between_all_pairs():
    glass = SherringtonKirkpatrick(gaussian_couplings(6, 0), 0.5)
    assert has_symmetry(glass, sector(None, 6, spin_flip=1))
    assert not has_symmetry(glass, sector(RING, 6, (0,)))
    everywhere = SherringtonKirkpatrick(np.triu(np.ones((6, 6)), 1), 0.5)
    assert has_symmetry(everywhere, sector(RING, 6, (0,), "A1"))

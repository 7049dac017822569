"""The Hamiltonians of particles from run files: what a table gives, and what is refused in one line."""

import jax.numpy as jnp
import numpy as np
import pytest

from hamiltonians.electron_gas import ElectronGas
from hamiltonians.neutron_matter import NeutronMatter
from hamiltonians.trap import HarmonicTrap
from nqs.build import build_only_hamiltonian
from nqs.errors import InputError
from nqs.exact_energy import exact_lines
from nqs.run_file import parse_text
from nqs.schema_text import describe

GAS = '[hamiltonian]\nkind = "electron_gas"\nr_s = 2.0\n'
TRAP = '[hamiltonian]\nkind = "trap"\nn_up = 1\nn_down = 1\n'
NEUTRONS = '[hamiltonian]\nkind = "neutron_matter"\n'


def built(text: str):
    return build_only_hamiltonian(parse_text(text, "particles.toml"), "particles.toml")


def test_every_key_reaches_the_hamiltonian():
    gas = built(GAS + "n_up = 7\nn_down = 7")
    assert isinstance(gas, ElectronGas)
    assert gas.hartree_fock_energy() == ElectronGas(7, 7, 2.0).hartree_fock_energy()
    keys = 'n_up = 2\nn_down = 1\ndim = 2\ncell = "hexagonal"\ntwist = [0.5, 0.0]\ninteraction = "minimum_image"\n'
    layer = built(GAS + keys.replace("n_up = 2", "n_up = 3") + "open_shells = true")
    assert isinstance(layer, ElectronGas)
    expected = ElectronGas(
        3, 1, 2.0, 2, cell="hexagonal", twist=(0.5, 0.0), interaction="minimum_image", open_shells=True
    )
    assert layer.hartree_fock_energy() == expected.hartree_fock_energy()
    trap = built(
        TRAP.replace("n_up = 1\nn_down = 1", "n_up = 3") + 'dim = 3\nomega = [1.0, 1.0, 2.0]\nparticles = "bosons"\n'
        'interaction = "hard_core"\ncore_diameter = 0.1'
    )
    assert isinstance(trap, HarmonicTrap)
    assert trap.space.are_bosons
    assert trap.lower_bound() == 6.0
    assert trap.core_diameter == 0.1
    soft = built(TRAP + "dim = 1\nsoftening = 0.5")
    assert float(soft.potential_terms(jnp.zeros((2, 1)))["interaction"]) == 2.0
    matter = built(NEUTRONS + "n_up = 7\nn_down = 7\ndensity = 0.05")
    assert isinstance(matter, NeutronMatter)
    np.testing.assert_allclose(matter.space.cell, np.eye(3) * (14 / 0.05) ** (1 / 3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GAS + "n_up = 8\nn_down = 7", "[hamiltonian] n_up = 8 leaves a shell of plane waves open; 7 and 19 close it"),
        (GAS + "n_up = 7\nn_down = 7\ntwist = [0.0, 0.0, 0.7]", "[hamiltonian] twist = [0.0, 0.0, 0.7] lies outside"),
        (GAS + "n_up = 7\nn_down = 7\ntwist = [0.0]", "[hamiltonian] twist has 1 components, not 3"),
        (GAS + "n_up = 7\nn_down = 7\ndim = 1", "[hamiltonian] dim must be 2 or 3 for an electron gas, not 1"),
        (GAS + "n_up = 7\nn_down = 7\ndim = 4", "[hamiltonian] dim: expected int <= 3"),
        (GAS + 'n_up = 7\nn_down = 7\ncell = "hexagonal"', "[hamiltonian] cell must be cubic in 3 dimensions"),
        (GAS + 'n_up = 7\nn_down = 7\ncell = "hexagnal"', "did you mean hexagonal?"),
        (
            GAS + 'n_up = 7\nn_down = 7\ninteraction = "coulomb"',
            "'coulomb' is not allowed; allowed: ewald, minimum_ima",
        ),
        (GAS + "n_up = 7", "[hamiltonian] n_down: missing"),
        (GAS + "n_up = 0\nn_down = 0", "[hamiltonian] n_up = 0 and n_down = 0: at least one particle"),
        (GAS + "n_up = -7\nn_down = 7", "[hamiltonian] n_up: expected int >= 0"),
        (GAS + "n_up = 7\nn_down = 7\nr_S = 1", "[hamiltonian] r_S: no such key, did you mean r_s?"),
        (GAS.replace("2.0", "-2.0") + "n_up = 7\nn_down = 7", "[hamiltonian] r_s must be positive"),
        (TRAP + "dim = 1", "[hamiltonian] softening: in one dimension 1/r has no finite energy"),
        (TRAP + "dim = 4", "[hamiltonian] dim: expected int <= 3"),
        (TRAP + "omega = 0", "[hamiltonian] omega: expected float > 0"),
        (TRAP + "omega = [1.0, 2.0, 3.0]", "[hamiltonian] omega: 3 values for 2 axes"),
        (TRAP + 'particles = "bosons"', "[hamiltonian] n_down = 1: bosons have no spin"),
        (TRAP + 'interaction = "hard_core"', "[hamiltonian] core_diameter: a hard_core interaction needs"),
        (NEUTRONS + "n_up = 7\nn_down = 7\ndensity = -1", "[hamiltonian] density must be positive"),
        (NEUTRONS + "n_up = 1\nn_down = 1\ndensity = 0.1", "[hamiltonian] density: a cell of 2.71 fm is smaller than"),
    ],
)
def test_wrong_particles(text, message):
    with pytest.raises(InputError) as caught:
        built(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("particles.toml: ")


def exact_lines_of(text: str) -> str:
    return "\n".join(exact_lines(parse_text(text, "particles.toml"), "particles.toml", None, 1))


def test_exact_energies():
    """A trap of two, and the exact energy of a determinant in a cell."""
    assert "exact        E0 = 3.0000000000  (hartree)" in exact_lines_of(TRAP)
    text = exact_lines_of(GAS.replace("2.0", "1.0") + "n_up = 7\nn_down = 7")
    assert "8.491480" in text
    assert "0.6065343: kinetic 1.1209129, exchange -0.1492302, madelung -0.3651483" in text
    assert "E0" not in text
    with pytest.raises(InputError, match="no exact energies"):
        exact_lines_of(TRAP.replace("n_up = 1", "n_up = 3"))


def test_help_names_the_particles():
    text = describe()
    for words in ('kind = "electron_gas"', 'kind = "trap"', 'kind = "neutron_matter"', "open_shells", "core_diameter"):
        assert words in text

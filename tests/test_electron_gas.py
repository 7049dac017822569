"""The electron gas: exact Hartree–Fock energies, crystals, shells, and what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from determinants import sample_determinants

from hamiltonians.electron_gas import ElectronGas
from hamiltonians.minimum_image import coulomb_transform
from hamiltonians.plane_waves import closed_shells, occupied_momenta, wave_vectors

HARTREE_FOCK = {
    (7, 7): (0.6065343, 0.0230389, -0.0580392, -0.0402287, -0.0229166),
    (7, 0): (1.1312619, 0.1207964, -0.0584417, -0.0470143, -0.0279555),
    (27, 27): (0.5692447, 0.0187674, -0.0562983, -0.0387833, -0.0220502),
}
HEXAGONAL = np.array([[1.0, 0.0], [0.5, 3**0.5 / 2]])


@pytest.mark.parametrize("electrons", HARTREE_FOCK)
def test_hartree_fock_in_three_dimensions(electrons):
    """The table of the reference energies, in hartree per electron."""
    for r_s, energy in zip((1, 2, 5, 10, 20), HARTREE_FOCK[electrons], strict=True):
        gas = ElectronGas(*electrons, r_s)
        assert gas.hartree_fock_energy() / sum(electrons) == pytest.approx(energy, abs=6e-8)
        assert gas.lower_bound() < gas.hartree_fock_energy()


def test_parts_of_the_hartree_fock_energy():
    terms = ElectronGas(7, 7, 1.0).hartree_fock_terms()
    expected = {"kinetic": 1.1209129, "exchange": -0.1492302, "madelung": -0.3651483}
    assert {name: value / 14 for name, value in terms.items()} == pytest.approx(expected, abs=6e-8)
    free = ElectronGas(7, 7, 1.0, interaction="none")
    assert free.reference_energy() == free.hartree_fock_energy() == terms["kinetic"]
    bare = ElectronGas(7, 7, 2.0, interaction="minimum_image")
    assert bare.hartree_fock_energy() / 14 == pytest.approx(2.18692, abs=6e-6)


@pytest.mark.parametrize(
    ("electrons", "cell", "twist"),
    [
        ((5, 5), "square", (0.0, 0.0)),
        ((13, 13), "square", (0.0, 0.0)),
        ((7, 0), "hexagonal", (0.0, 0.0)),
        ((3, 1), "square", (0.13, -0.42)),
    ],
)
def test_hartree_fock_in_two_dimensions(electrons, cell, twist):
    """The sums over k against an integral over the distance of two electrons.

    E = T + N v_M/2 − (1/2Ω) Σ_σ ∫ (|Σ_k exp(ik·r)|² − N_σ²) φ(r) dr, where φ, which has no mean, comes from the energy
    of two electrons. The integrand vanishes at r = 0 as r²φ ~ r: a grid of spacing h errs by h³.
    """
    gas = ElectronGas(*electrons, 1.7, 2, cell=cell, twist=twist)
    assert gas.ewald is not None
    potential = jax.jit(jax.vmap(gas.ewald))

    def integral(points: int) -> float:
        r = (np.indices((points, points)).reshape(2, -1).T / points)[1:] @ gas.cell
        phi = np.asarray(potential(jnp.asarray(np.stack([np.zeros_like(r), r], axis=1)))) - gas.ewald.madelung
        waves = [np.exp(1j * r @ wave_vectors(k, gas.cell, twist).T) for k in gas.momenta()]
        density = sum(np.abs(wave.sum(axis=1)) ** 2 - wave.shape[1] ** 2 for wave in waves)
        return -0.5 * float(density @ phi) / points**2

    coarse, fine = integral(60), integral(120)
    terms = gas.hartree_fock_terms()
    assert terms["exchange"] == pytest.approx(fine + (fine - coarse) / 7, rel=2e-6)
    assert terms["madelung"] == pytest.approx(sum(electrons) * gas.ewald.madelung / 2)
    assert gas.lower_bound() < gas.hartree_fock_energy()


def test_transform_of_the_nearest_image():
    """Closed forms of ∫ 1/r over a square, a cube and a hexagon, and ∫ R sin(κR)/κR dθ with κ = q cos(θ − θ_q)."""
    at_zero = {2: 4 * np.log(1 + 2**0.5), 3: 6 * np.log((1 + 3**0.5) / 2**0.5) - np.pi / 2}
    for dim, exact in at_zero.items():
        assert coulomb_transform(np.zeros((1, dim)), np.eye(dim))[0] == pytest.approx(exact, abs=1e-12)
    angles = np.linspace(0, 2 * np.pi, 600001)[1:] - np.pi / 6
    radius = 0.5 / np.cos((angles + np.pi / 6) % (np.pi / 3) - np.pi / 6)
    for q in np.array([[0.0, 0.0], [9.0, -4.0]]):
        along = q[0] * np.cos(angles) + q[1] * np.sin(angles)
        exact = 2 * np.pi * np.mean(radius * np.sinc(along * radius / np.pi))
        assert coulomb_transform(q[None], HEXAGONAL)[0] == pytest.approx(exact, abs=1e-9)


def test_wigner_crystals():
    """The potential of a crystal in units of N/r_s, which also is close to the bound that no energy lies below."""
    corners = np.indices((2, 2, 2)).reshape(3, -1).T / 2
    body_centred = np.concatenate([corners, corners + 0.25])
    gas = ElectronGas(16, 0, 3.0, open_shells=True)
    crystal = float(eqx.filter_jit(gas.potential)(jnp.asarray(body_centred @ gas.cell)))
    assert crystal / 16 * 3.0 == pytest.approx(-0.895929255682, abs=1e-9)
    triangular = np.indices((2, 2)).reshape(2, -1).T / 2
    layer = ElectronGas(2, 2, 3.0, 2, cell="hexagonal", open_shells=True)
    crystal = float(eqx.filter_jit(layer.potential)(jnp.asarray(triangular @ layer.cell)))
    assert crystal / 4 * 3.0 == pytest.approx(-1.1061033, abs=1e-6)


def test_nearest_images():
    gas = ElectronGas(1, 1, 2.0, interaction="minimum_image")
    length = gas.cell[0, 0]
    assert length == pytest.approx(2.0 * (8 * np.pi / 3) ** (1 / 3))
    x = jnp.array([[0.1, 0.0, 0.0], [0.9, 3.0, 0.0]]) * length
    assert float(gas.potential(x)) == pytest.approx(1 / (0.2 * length))


DETERMINANTS = {
    **{f"{n}+{m}_rs_{r_s}": ElectronGas(n, m, r_s) for n, m in ((7, 7), (7, 0), (27, 27)) for r_s in (1.0, 2.0, 5.0)},
    "twisted": ElectronGas(3, 1, 2.0, twist=(0.1, -0.2, 0.33)),
    "minimum_image": ElectronGas(7, 7, 2.0, interaction="minimum_image"),
    "square": ElectronGas(5, 5, 3.0, 2),
    "hexagonal": ElectronGas(7, 1, 3.0, 2, cell="hexagonal"),
}


@pytest.mark.parametrize("name", DETERMINANTS)
def test_a_determinant_alone_has_the_hartree_fock_energy(name):
    """Within 3σ of the mean over independent samples, with σ at most 2.5 % of the interaction."""
    gas = DETERMINANTS[name]
    n = 14000 // gas.space.n_particles
    potential = jax.jit(lambda x: jax.lax.map(gas.potential, x, batch_size=64))
    energies = gas.free_energy() + np.asarray(
        potential(jnp.asarray(sample_determinants(gas, n, list(DETERMINANTS).index(name))))
    )
    exact, error = gas.hartree_fock_energy(), np.std(energies) / np.sqrt(n)
    assert abs(np.mean(energies) - exact) < 3 * error
    assert error < 0.025 * abs(exact - gas.free_energy())


def test_shells():
    """The closed numbers of both dimensions, the lowest plane waves of a twist, and the order within a shell."""
    for cell, numbers in ((np.eye(3), [1, 7, 19, 27, 33, 57]), (np.eye(2), [1, 5, 9, 13, 21]), (HEXAGONAL, [1, 7, 13])):
        zero = np.zeros(len(cell)).tolist()
        assert closed_shells(numbers[-1] - 1, cell, zero)[: len(numbers) + 1].tolist() == [0, *numbers]
    twist = (0.31, -0.22, 0.5)
    box = np.indices((9, 9, 9)).reshape(3, -1).T - 4
    energies = np.sort(np.sum(wave_vectors(box, np.eye(3), twist) ** 2, axis=1))
    lowest = np.sum(wave_vectors(occupied_momenta(40, np.eye(3), twist), np.eye(3), twist) ** 2, axis=1)
    np.testing.assert_allclose(lowest, energies[:40], rtol=1e-12)
    assert occupied_momenta(3, np.eye(2), (0.0, 0.0)).tolist() == [[0, 0], [-1, 0], [0, -1]]
    phases = np.exp(1j * wave_vectors(occupied_momenta(5, HEXAGONAL, twist[:2]), HEXAGONAL, twist[:2]) @ HEXAGONAL.T)
    np.testing.assert_allclose(phases, np.tile(np.exp(2j * np.pi * np.array(twist[:2])), (5, 1)), atol=1e-12)


@pytest.mark.parametrize(
    ("electrons", "keys", "message"),
    [
        ((8, 7), {}, "n_up = 8 leaves a shell of plane waves open; 7 and 19 close it, or allow it"),
        ((7, 14), {}, "n_down = 14 leaves a shell of plane waves open; 7 and 19 close it"),
        ((7, 7), {"r_s": -1.0}, "r_s must be positive"),
        ((7, 7), {"dim": 1}, "dim must be 2 or 3"),
        ((5, 5), {"dim": 2, "cell": "cubic"}, "cell must be square or hexagonal in 2 dimensions, not cubic"),
        ((7, 7), {"twist": (0.0, 0.6, 0.0)}, "twist = .* lies outside the cell"),
        ((7, 7), {"twist": (0.0, 0.1)}, "twist has 2 components, not 3"),
        ((0, 0), {}, "at least one particle"),
    ],
)
def test_impossible_gases_are_refused(electrons, keys, message):
    with pytest.raises(ValueError, match=message):
        ElectronGas(*electrons, **{"r_s": 1.0, **keys})

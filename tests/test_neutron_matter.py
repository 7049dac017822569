"""Neutron matter: exact Hartree–Fock energies against independent samples of the determinant."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from determinants import orbitals, sample_determinants

from hamiltonians.neutron_matter import NeutronMatter
from nqs import schema
from nqs.build_particle_ansatz import build_particle_ansatz
from nqs.local_energy import local_energies


def potential_energies(matter, samples: np.ndarray) -> dict[str, np.ndarray]:
    """(Vψ)/ψ of the determinant of plane waves in each sample, by the parts of the potential."""
    x = jnp.asarray(samples)
    values, (exchanged, amplitudes) = jax.jit(jax.vmap(lambda y: (matter.potential_terms(y), matter.connected(y))))(x)
    terms = {name: np.asarray(value) for name, value in values.items()}
    n_up = matter.space.n_up

    def determinant(y: np.ndarray) -> np.ndarray:
        up, down = orbitals(matter, 0, y[..., :n_up, :]), orbitals(matter, 1, y[..., n_up:, :])
        return np.linalg.det(up) * np.linalg.det(down)

    psi, terms["exchange"] = determinant(samples), 0.0
    for t, (i, j) in enumerate(np.asarray(exchanged)[0]):
        y = samples.copy()
        y[:, [i, j]] = samples[:, [j, i]]
        terms["exchange"] = terms["exchange"] + np.asarray(amplitudes)[:, t] * np.real(determinant(y) / psi)
    return terms


@pytest.mark.parametrize(
    "matter", [NeutronMatter(7, 7), NeutronMatter(3, 1, 0.05, twist=(0.1, -0.2, 0.33))], ids=["closed", "twisted"]
)
def test_hartree_fock(matter):
    """Each part within 3σ of the mean over independent samples, with σ at most 6 % of it."""
    terms = matter.hartree_fock_terms()
    for name, energies in potential_energies(matter, sample_determinants(matter, 2000, 1)).items():
        error = np.std(energies) / np.sqrt(2000)
        assert error < 0.06 * abs(terms[name])
        assert abs(np.mean(energies) - terms[name]) < 3 * error, name


def test_local_energies_of_exchanging_neutrons():
    """E_L of a complex determinant, whose sign the exchanges of positions need, against the same sum in NumPy."""
    matter = NeutronMatter(7, 7)
    samples = sample_determinants(matter, 6, 2)
    ansatz = build_particle_ansatz(schema.Slater(), "float64", matter, jax.random.key(0))
    expected = matter.hartree_fock_terms()["kinetic"] + sum(potential_energies(matter, samples).values())
    np.testing.assert_allclose(np.real(local_energies(matter, ansatz, jnp.asarray(samples), 3)), expected, rtol=1e-9)


def test_published_energy():
    """6.798 MeV per neutron with the forces between two, 6.979(1) with those between three: a quadrature of others."""
    terms = NeutronMatter(7, 7).hartree_fock_terms()
    assert (terms["kinetic"] + terms["direct"] + terms["exchange"]) / 14 == pytest.approx(6.798, abs=6e-4)
    assert sum(terms.values()) / 14 == pytest.approx(6.979, abs=2e-3)
    assert NeutronMatter(7, 7).lower_bound() < sum(terms.values())


def test_forces():
    """The two- and three-body forces as sums over the images of every pair and triple."""
    matter = NeutronMatter(2, 1, 0.06, open_shells=True)
    x = np.random.default_rng(5).uniform(-matter.length, matter.length, (3, 3))
    images = matter.length * (np.indices((11, 11, 11)).reshape(3, -1).T - 5)

    def gaussian(i: int, j: int, width: float) -> float:
        return float(np.sum(np.exp(-np.sum((x[i] - x[j] + images) ** 2, axis=1) / width**2)))

    v = [-5.27518671 * 197.3269804 / (np.pi**1.5 * 1.83039397**3) * gaussian(i, 2, 1.83039397) for i in (0, 1)]
    triple = sum(gaussian(i, j, 1.0) * gaussian(j, k, 1.0) for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)))
    strength = 1.0786 * 197.3269804**6 / (1000.0 * 92.4**4 * np.pi**3)
    exchanged, amplitudes = matter.connected(jnp.asarray(x))
    assert exchanged.tolist() == [[0, 2], [1, 2]]
    np.testing.assert_allclose(amplitudes, np.array(v) / 2, rtol=1e-12)
    assert float(matter.potential(jnp.asarray(x))) == pytest.approx(sum(v) / 2 + strength * triple, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((7, 7, -0.04), "density must be positive"),
        ((1, 1, 0.16), "a cell of 2.32 fm is smaller than the range of the forces, 3.66 fm"),
        ((7, 8), "n_down = 8 leaves a shell of plane waves open; 7 and 19 close it"),
    ],
)
def test_impossible_matter_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        NeutronMatter(*arguments)

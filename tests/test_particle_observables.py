"""Observables of particles where they are known: the free gas and levels of a trap, with their norms."""

from dataclasses import replace

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from launching import small_result

import nqs
from hamiltonians.electron_gas import ElectronGas
from hamiltonians.neutron_matter import NeutronMatter
from hamiltonians.trap import HarmonicTrap
from nqs import results, schema
from nqs.ansatz.base import Ansatz
from nqs.build_particle_ansatz import build_particle_ansatz
from nqs.errors import InputError
from nqs.measure_all import measure_observables
from nqs.particle_observables import N_BINS, ParticleObservables, particle_estimates
from nqs.sampler.random_walk import RandomWalk
from nqs.trap_basis import MOST_STATES, TrapBasis, trap_basis

MATRIX = "orbital_density_matrix"


class TwoElectrons(Ansatz):
    """The exact ψ = (1 + r₁₂) e^{−(r₁² + r₂²)/2} of two electrons in two dimensions, ω = 1 (M. Taut, 1993)."""

    def __call__(self, x):
        return jnp.log1p(jnp.linalg.norm(x[0] - x[1])) - jnp.sum(x**2) / 2


def measured(hamiltonian, n_samples=8192, ansatz=None):
    ansatz = ansatz or build_particle_ansatz(schema.Slater(), "float64", hamiltonian, jax.random.key(0))
    sampler = RandomWalk(hamiltonian.space, "gaussian", n_chains=256, n_samples=1024, sweeps=3)
    run = nqs.VMC(hamiltonian, ansatz, sampler, nqs.sgd(), seed=5, chunk_size=256)
    return measure_observables(run, ansatz, n_samples, 60)[1]


def test_a_lanczos_step_and_a_region_are_refused():
    gas = ElectronGas(1, 1, 1.0)
    ansatz = build_particle_ansatz(schema.Slater(), "float64", gas, jax.random.key(0))
    run = nqs.VMC(gas, ansatz, RandomWalk(gas.space, "gaussian", n_chains=4, n_samples=4), nqs.sgd())
    with pytest.raises(InputError, match="the Lanczos step: of spins, not of particles"):
        measure_observables(run, ansatz, 4, 0, lanczos_samples=4)
    with pytest.raises(InputError, match="particles have no sites"):
        measure_observables(run, ansatz, 4, 0, region=())


def values_of(observable):
    return np.asarray(observable.mean), np.asarray(observable.error)


def assert_agrees(observable, exact):
    """χ² of all bins together, which a factor of two in any norm would break."""
    seen = np.asarray(observable.error) > 0
    z = (np.asarray(observable.mean) - exact)[seen] / np.asarray(observable.error)[seen]
    assert np.sum(seen) > 5
    assert abs(np.sum(z**2) - len(z)) < 5 * np.sqrt(2 * len(z)) + 3
    assert np.max(np.abs(z)) < 4.5


def test_the_free_gas():
    """S(k) = 1 − (pairs of occupied waves that differ by k)/N; g = 1, and of equal spins 1 − |Σ e^{ik·r}/N_σ|²."""
    gas = ElectronGas(7, 7, 1.0, interaction="none")
    found, momenta = measured(gas), np.asarray(gas.momenta()[0])
    length = float(np.asarray(gas.space.cell)[0, 0])
    numbers = np.array(list(np.ndindex(9, 9, 9))) - 4
    occupied = {tuple(k) for k in momenta.tolist()}
    pairs = np.array([sum(tuple(k + n) in occupied for k in momenta) for n in numbers])
    lengths = np.round(2 * np.pi / length * np.linalg.norm(numbers, axis=1), 9)
    exact = [1 - 2 * np.mean(pairs[lengths == k]) / 14 for k in found["structure_factor"].axes["k"]]
    assert exact[0] < 0.8
    assert_agrees(found["structure_factor"], exact)
    assert_agrees(found["pair_opposite"], 1.0)
    r = found["pair_equal"].axes["r"]
    directions = np.random.default_rng(0).normal(size=(4000, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    waves = np.exp(2j * np.pi / length * np.einsum("r,nd,kd->rnk", r, directions, momenta)).mean(axis=2)
    assert_agrees(found["pair_equal"], 1 - np.mean(np.abs(waves) ** 2, axis=1))
    norm = np.linalg.norm
    filled, shell = 2 * np.pi / length * norm(momenta, axis=1).max(), found["momentum_distribution"].axes["k"]
    assert_agrees(found["momentum_distribution"], (shell < filled + 1e-6).astype(float))
    assert_agrees(found["density_matrix"], np.mean(waves, axis=1).real)
    assert found["kinetic_energy"].mean == pytest.approx(gas.reference_energy(), rel=1e-9)
    assert found["kinetic_energy"].error == 0


@pytest.mark.slow
def test_the_occupations_of_a_twisted_gas():
    """Electrons of one spin fill the waves nearest to −θ."""
    gas = ElectronGas(7, 0, 1.0, interaction="none", twist=(0.1, 0.2, -0.15), open_shells=True)
    found = measured(gas)["momentum_distribution"]
    filled = 2 * np.pi / float(np.asarray(gas.space.cell)[0, 0]) * np.linalg.norm(gas.momenta()[0] + gas.twist, axis=1)
    exact = [np.mean(np.isin(round(float(k), 6), np.round(filled, 6))) for k in found.axes["k"]]
    assert sum(exact) == len(set(np.round(filled, 6)))
    assert_agrees(found, exact)


class Modulus(Ansatz):
    """The modulus of a determinant, as a class of a user may give it."""

    def __call__(self, x):
        return jnp.linalg.slogdet(jnp.cos(x))[1]


def test_a_psi_of_unknown_sign_has_no_momentum_distribution():
    x = jnp.asarray(np.random.default_rng(0).uniform(size=(3, 3)))
    for n_up, n_down, is_known in ((3, 0, False), (1, 0, True)):
        gas = ElectronGas(n_up, n_down, 1.0, interaction="none", open_shells=True)
        found = ParticleObservables(gas)(Modulus() if n_up == 3 else Constant(), x[: n_up + n_down])
        assert ("momentum_distribution" in found) == is_known


class Constant(Ansatz):
    def __call__(self, x):
        return jnp.sum(0 * x)


def test_levels_of_a_trap():
    """Two particles in the lowest level: n(r) = (2ω/π) e^{−ωr²} and T = V_trap = ω/2 each."""
    found = measured(HarmonicTrap(1, 1, 2, 0.5, "none"))
    r = found["density"].axes["r"]
    assert_agrees(found["density"], 2 * 0.5 / np.pi * np.exp(-0.5 * r**2))
    assert np.sum(found["density"].mean * 2 * np.pi * r * (r[1] - r[0])) == pytest.approx(2, abs=1e-2)
    assert abs(found["virial"].mean) < 4 * found["virial"].error
    assert found["trap_energy"].mean == pytest.approx(0.5, abs=5 * found["trap_energy"].error)
    assert jnp.isclose(found["trap_energy"].mean + found["kinetic_energy"].mean, 1.0)


def test_parts_of_the_energy_of_two_electrons():
    """They add up to the exact 3 hartree, and 2T − 2V_trap + V_ee = 0."""
    found = measured(HarmonicTrap(1, 1, 2, 1.0), ansatz=TwoElectrons())
    parts = [found[f"{name}_energy"].mean for name in ("kinetic", "trap", "interaction")]
    assert sum(parts) == pytest.approx(3.0, rel=1e-9)
    assert abs(found["virial"].mean) < 4 * found["virial"].error < 0.3
    assert 0.5 < parts[2] < 1.5


@pytest.mark.slow
def test_the_parts_of_the_energy_of_neutrons():
    """Each that of the determinant, whose energy they add up to."""
    matter = NeutronMatter(7, 7)
    found, terms = measured(matter, 4096), matter.hartree_fock_terms()
    for name, exact in terms.items():
        part = found[f"{name}_energy"]
        assert abs(part.mean - exact) < 4 * part.error + 1e-9 * abs(exact), name
        assert part.error < 0.1 * abs(exact), name
        assert part.units == "MeV"


def test_the_virial_of_a_gas():
    """Of the determinant of plane waves ⟨2T + V⟩ = −r_s dE_HF/dr_s, since it scales with the cell; E_c = 0."""
    found = measured(ElectronGas(7, 0, 5.0, interaction="ewald"))
    below, above = (ElectronGas(7, 0, r_s).hartree_fock_energy() for r_s in (4.99, 5.01))
    slope = -5.0 * (above - below) / 0.02
    virial, correlation = found["virial"], found["correlation_energy"]
    assert abs(virial.mean - slope) < 4 * virial.error < 0.1 * abs(slope)
    assert abs(correlation.mean) < 4 * correlation.error
    assert correlation.error < 1e-2
    assert "r_s dE/dr_s" in virial.long_name


@pytest.mark.parametrize(
    ("trap", "filled", "size"),
    [
        (HarmonicTrap(3, 3, 2, 1.0, "none"), [2, 2, 2], 15),
        (HarmonicTrap(3, 1, 2, [1.0, 1.7], "none"), [2, 1, 1], 15),
        (HarmonicTrap(3, 0, 3, [1.0, 1.0, 8**0.5], "none", are_bosons=True), [3], 20),
    ],
    ids=["isotropic", "polarised", "bosons"],
)
def test_the_orbitals_of_a_free_trap(trap, filled, size):
    """Fermions fill the lowest states of each spin, bosons the first; ψ is inside the basis."""
    found = measured(trap)
    matrix, errors = values_of(found[MATRIX])
    exact = np.diag(np.pad(np.array(filled, float), (0, size - len(filled))))
    assert matrix.shape == exact.shape
    upper = np.triu_indices(size)
    z = (matrix - exact)[upper] / errors[upper]
    assert np.max(np.abs(z)) < 4.5
    assert 0.6 < np.mean(z**2) < 1.4
    assert np.max(errors) < 0.1 * max(filled)
    weight = found["orbital_weight"]
    assert abs(weight.mean - 1) < 4 * weight.error < 0.2


def test_all_of_a_row_of_charges_is_in_its_density():
    """The outermost of 100 classical charges on a line is at 9.57 (N = 60: 7.56) for ω = 1, by minimisation."""
    local = ParticleObservables(HarmonicTrap(50, 50, 1, 1e-3, softening=1.0))
    assert local.edges[-1] > 1.1 * 957


@pytest.mark.parametrize(("n", "omega"), [(10, 1e-3), (3, 1e-4), (1, 1e-3), (6, 1.0)])
def test_all_of_a_dot_is_in_its_density(n, omega):
    """Also where the repulsion is much stronger than the trap; classical charges fill a disc of this radius."""
    local = ParticleObservables(HarmonicTrap(n, n, 2, omega))
    assert local.edges[-1] > 1.3 * (3 * np.pi / 4 * 2 * n / omega**2) ** (1 / 3)
    assert local.edges[-1] > 5 * omega**-0.5


def test_the_orbitals_of_a_trap_are_bounded_in_number():
    long = HarmonicTrap(20, 0, 3, [1.0, 50.0, 50.0])
    basis = TrapBasis(long)
    assert len(basis.orbitals.quanta) == MOST_STATES
    assert basis.orbitals.quanta[:20] == tuple((n, 0, 0) for n in range(20))
    assert trap_basis(HarmonicTrap(170, 0, 1, interaction="none")) is None
    most = trap_basis(HarmonicTrap(98, 0, 1, interaction="none"))
    assert most is not None
    line = jnp.linspace(-20, 20, 4001)[:, None]
    overlaps = most(line).T @ most(line) * 0.01
    np.testing.assert_allclose(overlaps, np.eye(101), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "axis", "expected"),
    [("density", "r", "bohr"), ("pair_equal", "r", "fm"), ("structure_factor", "k", "1/fm")],
)
def test_distances_have_their_unit_in_the_file(name, axis, expected, tmp_path):
    hamiltonian = HarmonicTrap(1, 1, 2) if name == "density" else NeutronMatter(1, 1, 0.01)
    local = ParticleObservables(hamiltonian)
    values = np.ones((2, 2, len(local.lengths) if axis == "k" else N_BINS))
    found = particle_estimates(local, {name: values}, np.ones(2, int))
    path = tmp_path / "x.h5"
    results.write(path, replace(small_result(), observables=found))
    with h5py.File(path) as file:
        assert file[f"observables/{name}/{axis}"].attrs["units"] == expected
    assert results.read(path).observables[name].axis_labels(axis)["units"] == expected


def test_the_orbitals_of_two_electrons():
    """ρ_ab = 2 ∫ c_a(r₂) c_b(r₂) dr₂ with c_a(r₂) = ∫ φ_a(r) ψ(r, r₂) dr, on a grid."""
    trap = HarmonicTrap(1, 1, 2)
    found = measured(trap, 16384, TwoElectrons())
    line = np.linspace(-5, 5, 61)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    r = np.linalg.norm(grid[:, None] - grid, axis=-1)
    psi = (1 + r) * np.exp(-(np.sum(grid**2, axis=1)[:, None] + np.sum(grid**2, axis=1)) / 2)
    amplitudes = np.asarray(TrapBasis(trap)(jnp.asarray(grid))).T @ psi
    exact = 2 * amplitudes @ amplitudes.T / np.sum(psi**2) * (line[1] - line[0]) ** 2
    assert 1.8 < exact[0, 0] < 1.98
    matrix, errors = values_of(found[MATRIX])
    upper = np.triu_indices(len(exact))
    z = (matrix - exact)[upper] / errors[upper]
    assert np.max(np.abs(z)) < 4.5
    assert errors[0, 0] < 0.02
    assert "0,0 0,1 1,0" in found[MATRIX].long_name

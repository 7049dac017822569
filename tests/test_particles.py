"""Particles from a run file to a result: exact cases, runs that continue exactly, wrong input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from particle_systems import configurations

import nqs
from hamiltonians.trap import HarmonicTrap
from nqs import results, run_file, schema
from nqs.ansatz.gaussian_rbm import GaussianRBM
from nqs.ansatz.slater import Slater
from nqs.build import build_vmc
from nqs.build_particle_ansatz import build_particle_ansatz
from nqs.errors import InputError
from nqs.local_energy import local_energies
from nqs.parallel import Communicator
from nqs.sampler.random_walk import RandomWalk

TRAP = '[hamiltonian]\nkind = "trap"\n'
GAS = '[hamiltonian]\nkind = "electron_gas"\nr_s = 2.0\nn_up = 1\nn_down = 1\n'
DOT = TRAP + "n_up = 1\nn_down = 1\ndim = 2\n"
SMALL = "[sampler]\nn_chains = 16\nn_samples = 32\nburn_in = 30\n[measure]\nn_samples = 64\nburn_in = 30\n"


def vmc(text: str) -> nqs.VMC:
    return build_vmc(run_file.parse_text(text, "dot.toml"), Communicator(), name="dot.toml")


@pytest.mark.parametrize(
    ("keys", "ansatz"),
    [
        ("n_up = 3\nn_down = 1\ndim = 2\nomega = [0.8, 0.8]", "slater"),
        ("n_up = 2\nn_down = 0\ndim = 3\nomega = 0.5\nopen_shells = true", "slater_jastrow"),
        ('n_up = 3\nn_down = 0\ndim = 1\nparticles = "bosons"', "slater"),
        ("n_up = 1\nn_down = 1\ndim = 2\nomega = 0.7", "gaussian_rbm"),
    ],
)
def test_oscillator_states_without_interaction_are_exact(keys, ansatz):
    """E_L is the sum of levels at each configuration: the variance is zero."""
    table = f'[ansatz]\nkind = "{ansatz}"\n' + ("stddev = 0.0\n" if ansatz == "gaussian_rbm" else "")
    run = vmc(TRAP + f'{keys}\ninteraction = "none"\n{table}')
    energies = local_energies(run.hamiltonian, run.ansatz, configurations(run.hamiltonian.space, 20), 20)
    np.testing.assert_allclose(energies, run.hamiltonian.reference_energy(), rtol=1e-9)


def test_a_continued_run_of_particles_equals_the_uninterrupted_one(tmp_path):
    text = DOT + SMALL + '[ansatz]\nkind = "slater_jastrow"\n'
    run = vmc(text)
    options = {"measure_samples": 64, "measure_burn_in": 30}
    whole = run.run(6, **options)
    run.run(3, output=tmp_path / "x.h5", **options)
    kept = results.read(tmp_path / "x.h5")
    assert kept.state["chains"].shape == (16, 5)
    continued = run.run(6, previous=kept, **options)
    for name in set(results.HISTORY) - {"wall_time"}:
        np.testing.assert_array_equal(continued.history[name], whole.history[name], err_msg=name)
    assert {k: v for k, v in continued.measured.items() if v == v} == {
        k: v for k, v in whole.measured.items() if v == v
    }
    assert np.isnan(whole.measured["v_score"])
    assert np.isnan(whole.measured["rhat_order"])
    assert whole.measured["reference"] == pytest.approx(3.0)


@pytest.mark.parametrize(("system", "network"), [(DOT, "message_passing"), (GAS, "backflow")])
def test_a_network_starts_as_the_slater_jastrow_function_that_it_is_given(tmp_path, system, network):
    jastrow = vmc(system + SMALL + '[ansatz]\nkind = "slater_jastrow"\n')
    result = jastrow.run(2, output=tmp_path / "x.h5", measure_samples=64, measure_burn_in=5)
    start = vmc(system + f'[ansatz]\nkind = "{network}"\n[run]\ninit_from = "{tmp_path}/x.h5"').ansatz
    x = configurations(jastrow.hamiltonian.space, 8)
    np.testing.assert_allclose(jax.vmap(start)(x), jax.vmap(result.ansatz)(x), rtol=1e-10)
    assert np.max(np.abs(jax.vmap(start)(x) - jax.vmap(jastrow.ansatz)(x))) > 1e-3


class Swapping(HarmonicTrap):
    """A trap without interaction, with exchanges of the positions of some particles."""

    def connected(self, x):
        return np.array([(0, 3), (1, 3), (0, 1)]), jnp.array([1.0, -0.5, 0.2])


def test_exchanged_positions_count_with_the_sign_of_psi():
    trap = Swapping(3, 1, 2, interaction="none")
    ansatz = build_particle_ansatz(schema.Slater(), "float64", trap, jax.random.key(0))
    x = np.asarray(configurations(trap.space, 5))

    def psi(x):
        return np.linalg.det(np.insert(x[:, :3], 0, 1.0, axis=2)) * np.exp(-np.sum(x**2, axis=(1, 2)) / 2)

    ratios = [psi(x[:, order]) / psi(x) for order in ([3, 1, 2, 0], [0, 3, 2, 1], [1, 0, 2, 3])]
    assert np.min(ratios) < 0 < np.max(ratios)
    expected = 6.0 + np.array([1.0, -0.5, 0.2]) @ ratios
    np.testing.assert_allclose(local_energies(trap, ansatz, jnp.asarray(x), 5), expected, atol=1e-8)
    unsigned = Slater(ansatz.species, ansatz.sizes)
    with pytest.raises(InputError, match="log psi must be complex, with the sign of psi"):
        nqs.VMC(trap, unsigned, RandomWalk(trap.space), nqs.sgd(0.1))


@pytest.mark.parametrize("electrons", ["7\nn_down = 7", pytest.param("27\nn_down = 27", marks=pytest.mark.slow)])
@pytest.mark.parametrize("r_s", [1.0, 2.0, 5.0])
def test_determinants_of_plane_waves_are_measured_at_their_hartree_fock_energy(electrons, r_s):
    keys = f"[run]\nseed = {int(r_s)}\n[sampler]\nn_chains = 256\nn_samples = 256\nsweeps = 10\n"
    text = f'[hamiltonian]\nkind = "electron_gas"\nr_s = {r_s}\nn_up = {electrons}\n[ansatz]\nkind = "slater"\n' + keys
    run = vmc(text)
    found = run.run(0, measure_samples=1024, measure_burn_in=100).measured
    exact, size = run.hamiltonian.hartree_fock_energy(), run.hamiltonian.free_energy()
    assert abs(found["energy"] - exact) < 3 * found["energy_error"]
    assert found["energy_error"] < 0.02 * abs(exact - size)


def test_gaussian_rbm_is_the_marginal_of_its_hidden_units():
    """ψ = Σ_h exp(−|X − a|²/2σ² + b·h + X·W·h/σ²) over h = 0, 1."""
    space = vmc(DOT + '[ansatz]\nkind = "gaussian_rbm"').hamiltonian.space
    rbm = GaussianRBM(4, 3, 0.8, key=jax.random.key(0), stddev=0.5)
    x = configurations(space, 1)[0]
    flat = np.asarray(x).ravel()
    hidden = np.array(list(np.ndindex(2, 2, 2)))
    exponents = hidden @ (np.asarray(rbm.hidden_bias) + flat @ np.asarray(rbm.weights) / 0.64)
    gaussian = np.exp(-np.sum((flat - np.asarray(rbm.visible_bias)) ** 2) / (2 * 0.64))
    np.testing.assert_allclose(np.exp(rbm(x)), gaussian * np.sum(np.exp(exponents)), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DOT, r"\[ansatz\] kind: rbm is a wave function of spins; those of particles are slater, slater_jastrow, "),
        (DOT + '[ansatz]\nkind = "slater"\n[sampler]\nmove = "flip"', "particles take one of gaussian, gaussian_all"),
        (DOT + '[ansatz]\nkind = "slater"\n[sampler]\nkind = "tempering"', 'particles take "metropolis"'),
        (
            '[hamiltonian]\nkind = "transverse_ising"\nextent = [6]\n[sampler]\nmove = "langevin"',
            "langevin moves particles; spins take",
        ),
        (
            '[hamiltonian]\nkind = "transverse_ising"\nextent = [6]\n[ansatz]\nkind = "slater"',
            "slater is a wave function of particles, not of spins",
        ),
        (
            TRAP.replace("trap", "electron_gas") + 'n_up = 7\nn_down = 7\nr_s = 1.0\n[ansatz]\nkind = "gaussian_rbm"',
            "a gaussian_rbm is not periodic",
        ),
        (
            TRAP + 'n_up = 2\nn_down = 1\nopen_shells = true\n[ansatz]\nkind = "gaussian_rbm"',
            "determinant: without one two particles of equal spin are no fermions",
        ),
        (
            TRAP + 'n_up = 2\nparticles = "bosons"\n[ansatz]\nkind = "slater"\n[sampler]\n'
            "move = {gaussian = 1, exchange = 1}",
            "move: exchange swaps particles of opposite spin",
        ),
        (
            DOT + '[ansatz]\nkind = "slater"\n[sampler]\nmove = {gaussian = 1, langevin = 1}',
            "particles take one of gaussian, gaussian_all, langevin, alone or in a table with exchange",
        ),
        (DOT + '[ansatz]\nkind = "slater"\n[sampler]\npairs = "all"', "pairs: of spins"),
        (DOT + '[ansatz]\nkind = "gaussian_rbm"\nn_hidden = 2000000000', "parameters are more than 1e"),
    ],
)
def test_what_does_not_fit_is_named(text, message):
    with pytest.raises(InputError, match=message):
        vmc(text)


@pytest.mark.slow
def test_two_hard_spheres_reach_their_exact_energy():
    """The zero of D_2: E = 4 at a diameter of one."""
    keys = 'n_up = 2\ndim = 3\nparticles = "bosons"\ninteraction = "hard_core"\ncore_diameter = 1.0\n'
    run = vmc(TRAP + keys + '[ansatz]\nkind = "slater_jastrow"\n[optimizer]\nkind = "minsr"\nlearning_rate = 0.1\n')
    measured = run.run(80, measure_samples=16384, measure_burn_in=100).measured
    assert measured["reference"] == pytest.approx(4.0, abs=1e-9)
    assert abs(measured["energy"] - 4) < 4 * measured["energy_error"] + 2e-3
    assert measured["energy_error"] < 2e-3


@pytest.mark.slow
@pytest.mark.parametrize(("r_s", "determinant", "correlated"), [(1, 8.491481, 7.9590), (5, -0.812549, -1.1195)])
def test_the_first_jastrow_factor_of_a_gas_has_the_range_of_its_correlations(r_s, determinant, correlated):
    """Before any step it finds most of the correlation energy, beside full configuration interaction."""
    gas = f'[hamiltonian]\nkind = "electron_gas"\nn_up = 7\nn_down = 7\nr_s = {r_s}\n'
    frozen = '[ansatz]\nkind = "slater_jastrow"\n[optimizer]\nkind = "sgd"\nlearning_rate = 1e-12\n'
    run = vmc(gas + frozen + "[sampler]\nn_chains = 128\nn_samples = 128\n")
    measured = run.run(1, measure_samples=1024, measure_burn_in=50).measured
    assert measured["energy_error"] < 0.05 * (determinant - correlated)
    assert determinant - measured["energy"] > 0.7 * (determinant - correlated)


def test_exchanges_are_proposed_in_proportion():
    table = "[sampler]\nmove = {gaussian = 3, exchange = 1}\n"
    sampler = vmc(DOT.replace("n_up = 1", "n_up = 6") + '[ansatz]\nkind = "slater"\n' + table).sampler
    assert sampler.description() == "gaussian steps and 2 exchanges"

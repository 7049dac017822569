"""Particles from a run file to a result: exact cases, runs that continue exactly, wrong input."""

import jax
import numpy as np
import pytest
from particle_systems import configurations

import nqs
from nqs import results, run_file
from nqs.ansatz.gaussian_rbm import GaussianRBM
from nqs.build import build_vmc
from nqs.errors import InputError
from nqs.local_energy import local_energies
from nqs.parallel import Communicator

TRAP = '[hamiltonian]\nkind = "trap"\n'
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
        (DOT + '[ansatz]\nkind = "rbm"', r"\[ansatz\] kind: rbm is a wave function of spins, not of particles"),
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

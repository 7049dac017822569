"""Wave functions that go on to NetKet: the same amplitudes, and so the same energy."""

from dataclasses import replace

import jax
import netket
import numpy as np
import pytest
from launching import small_result
from systems import all_local_energies, wave_function

import nqs
from nqs import results, run_file
from nqs.build import build_only_hamiltonian
from nqs.build_ansatz import build_ansatz
from nqs.errors import InputError
from nqs.parameters import RealView

ISING = '[hamiltonian]\nkind = "transverse_ising"\nextent = [6]\ntransverse_field = 0.7\nlongitudinal_field = 0.3\n'
HEISENBERG = '[hamiltonian]\nkind = "heisenberg"\nextent = [6]\ntotal_sz = 1\n'
GLASS = '[hamiltonian]\nkind = "sherrington_kirkpatrick"\nn_sites = 6\ninstance = 2\ntransverse_field = 0.5\n'
CASES = {
    "rbm": (ISING, 'kind = "rbm"\nalpha = 1.5\nvisible_bias = true\nstddev = 0.3'),
    "rbm_complex": (HEISENBERG, 'kind = "rbm"\ncomplex = true\nstddev = 0.3'),
    "sector": (
        HEISENBERG.replace("= 1\n", "= 0\n"),
        'kind = "rbm"\nstddev = 0.3\nsector = {momentum = [3], spin_flip = -1}',
    ),
    "ffn_jastrow": (GLASS, 'kind = "ffn"\nwidths = [5]\nphase = true\njastrow = true'),
    "flax": (ISING, 'kind = "flax"\nmodule = "netket.models:RBM"'),
}


def stored(path, system: str, ansatz: str):
    """A result with the initial parameters of its run file, and its Hamiltonian and ansatz."""
    config = run_file.parse_text(f"{system}[ansatz]\n{ansatz}\n[sampler]\nn_chains = 16\nn_samples = 1600\n", "x.toml")
    hamiltonian = build_only_hamiltonian(config, "x.toml")
    psi = build_ansatz(config, hamiltonian)
    view = RealView(psi)
    parameters = view.named(view.flatten(psi))
    result = replace(
        small_result(),
        config=run_file.to_toml(config),
        parameters=parameters,
        instance=hamiltonian.instance(),
        averaged={name: values * 0.7 for name, values in parameters.items()},
    )
    results.write(path, result)
    return hamiltonian, view.build(jax.numpy.asarray(0.7 * view.flatten(psi)))


@pytest.mark.parametrize("case", CASES)
def test_the_exact_energy_is_the_same_in_netket(case, tmp_path):
    hamiltonian, ansatz = stored(tmp_path / "x.h5", *CASES[case])
    state = nqs.to_netket(tmp_path / "x.h5")
    states = np.asarray(state.hilbert.all_states(), dtype=np.int8)
    psi = wave_function(ansatz, states)
    theirs = np.asarray(state.to_array())
    assert abs(np.vdot(theirs, psi)) == pytest.approx(1, abs=1e-12)
    is_there = np.abs(psi) > 1e-12
    energies = np.asarray(all_local_energies(hamiltonian, ansatz, states[is_there], 64))
    exact = np.sum(np.abs(psi[is_there]) ** 2 * energies)
    operator = hamiltonian.to_netket().to_sparse()
    assert np.vdot(theirs, operator @ theirs) == pytest.approx(exact, abs=1e-10)


def test_netket_goes_on_with_it(tmp_path):
    """It samples the energy and its gradient with chains, samples and burn-in of the run."""
    hamiltonian, ansatz = stored(tmp_path / "x.h5", *CASES["ffn_jastrow"])
    state = nqs.to_netket(tmp_path / "x.h5")
    states = np.asarray(state.hilbert.all_states(), dtype=np.int8)
    weights = np.abs(wave_function(ansatz, states)) ** 2
    exact = np.sum(weights * np.asarray(all_local_energies(hamiltonian, ansatz, states, 64))).real
    energy, gradient = state.expect_and_grad(hamiltonian.to_netket())
    assert state.samples.shape == (16, 100, 6)
    assert state.n_discard_per_chain == 50
    assert abs(energy.mean.real - exact) < 5 * energy.error_of_mean
    assert energy.error_of_mean < 0.2
    assert jax.tree.structure(gradient) == jax.tree.structure(state.parameters)


def test_netket_optimises_it(tmp_path):
    """Its own driver lowers the energy from where the run left it."""
    hamiltonian, _ = stored(tmp_path / "x.h5", *CASES["rbm"])
    state = nqs.to_netket(tmp_path / "x.h5")
    operator = hamiltonian.to_netket()
    matrix = operator.to_sparse()

    def energy() -> float:
        psi = np.asarray(state.to_array())
        return np.vdot(psi, matrix @ psi).real

    before = energy()
    netket.driver.VMC(operator, netket.optimizer.Sgd(0.05), variational_state=state).run(20, show_progress=False)
    assert energy() < before - 0.1


def test_the_result_of_a_script_says_nothing_of_its_ansatz(tmp_path):
    results.write(tmp_path / "x.h5", replace(small_result(), config=""))
    with pytest.raises(InputError, match="of a script"):
        nqs.to_netket(tmp_path / "x.h5")

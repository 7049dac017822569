"""Autoregressive wave functions: normalised, causal, and sampled directly with probability |ψ|²."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from launching import call
from systems import COUPLINGS, N_SITES, all_local_energies, chi_square_p, log_psi, wave_function

import nqs
from hamiltonians.exact import all_states, ground_state, sparse_matrix
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from hamiltonians.sherrington_kirkpatrick import gaussian_couplings
from hamiltonians.space import Spins
from nqs import results, run_file
from nqs.ansatz.autoregressive import Autoregressive, Couplings
from nqs.ansatz.masked_dense import MaskedDense
from nqs.ansatz.recurrent import Recurrent
from nqs.build import build_vmc
from nqs.errors import InputError
from nqs.gradient import log_derivatives
from nqs.parallel import Communicator
from nqs.parameters import RealView
from nqs.sampler.base import sample
from nqs.sampler.direct import Direct
from nqs.sampler.moves import all_pairs

KEY = jax.random.key(8)
SPACES = {"free": Spins(N_SITES), "one": Spins(N_SITES, 1.0)}
NETWORKS = {
    "dense": lambda space: MaskedDense(space, (9, 7), key=KEY),
    "dense_fields": lambda space: MaskedDense(space, (6,), key=KEY, phase=True, couplings=COUPLINGS),
    "recurrent": lambda space: Recurrent(space, (4, 3), key=KEY, phase=True),
    "recurrent_fields": lambda space: Recurrent(space, (5,), key=KEY, couplings=COUPLINGS),
}


def steep(network: str, space: Spins) -> Autoregressive:
    """A network with larger weights than at the start of a run, as trained ones have."""
    ansatz = NETWORKS[network](space)
    return jax.tree.map(lambda leaf: 3 * leaf if eqx.is_inexact_array(leaf) else leaf, ansatz)


@eqx.filter_jit
def all_outputs(ansatz, states):
    return jax.vmap(ansatz.outputs)(states)


@eqx.filter_jit
def all_outputs_in_turn(ansatz, states):
    return jax.vmap(lambda x: Autoregressive.outputs(ansatz, x))(states)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_sum_of_probabilities_is_one(network, space):
    """Over all configurations, and nothing outside a fixed magnetisation has weight."""
    ansatz, inside = steep(network, SPACES[space]), all_states(SPACES[space])
    states = all_states(Spins(N_SITES))
    probabilities = np.exp(2 * np.real(log_psi(ansatz, states)))
    assert abs(np.sum(probabilities) - 1) < 1e-12
    assert {state.tobytes() for state in states[probabilities > 0]} == {state.tobytes() for state in inside}
    assert probabilities.max() > 2 / len(inside)


def test_one_configuration_alone_is_certain():
    """Full magnetisation leaves no spin a choice."""
    ansatz = steep("recurrent", Spins(N_SITES, N_SITES / 2))
    probabilities = np.exp(2 * np.real(log_psi(ansatz, all_states(Spins(N_SITES)))))
    assert sorted(probabilities) == [0.0] * (2**N_SITES - 1) + [1.0]


@pytest.mark.parametrize("network", NETWORKS)
def test_conditionals_depend_on_every_earlier_site_and_on_no_other(network):
    ansatz = steep(network, Spins(N_SITES))
    states = all_states(Spins(N_SITES))
    outputs = np.asarray(all_outputs(ansatz, states))
    assert outputs.shape == (64, N_SITES, 2 if jnp.iscomplexobj(log_psi(ansatz, states)) else 1)
    for flipped in range(N_SITES):
        other = states.copy()
        other[:, flipped] *= -1
        change = np.abs(np.asarray(all_outputs(ansatz, other)) - outputs).max(axis=0)
        assert np.all(change[: flipped + 1] == 0)
        assert np.all(change[flipped + 1 :] > 1e-4)


@pytest.mark.parametrize("network", ["dense", "dense_fields"])
def test_the_dense_network_site_by_site_is_the_whole_one(network):
    ansatz = steep(network, Spins(N_SITES))
    states = all_states(Spins(N_SITES))
    expected = all_outputs(ansatz, states)
    np.testing.assert_allclose(all_outputs_in_turn(ansatz, states), expected, rtol=1e-12, atol=1e-13)


def test_log_psi_is_the_product_of_its_conditionals():
    """½ log σ(x ℓ) + i x u of each site, with the fields put in by hand."""
    rng = np.random.default_rng(2)
    ansatz = MaskedDense(Spins(N_SITES), (6,), key=KEY, phase=True, couplings=COUPLINGS)
    weights = rng.normal(size=N_SITES)
    ansatz = eqx.tree_at(lambda a: a.field_weights, ansatz, jnp.asarray(weights))
    without = eqx.tree_at(lambda a: a.field_weights, ansatz, jnp.zeros(N_SITES))
    states = all_states(Spins(N_SITES))
    outputs = np.asarray(all_outputs(without, states))
    couplings = gaussian_couplings(N_SITES, 3)
    fields = np.array([[sum(couplings[j, i] * x[j] for j in range(i)) for i in range(N_SITES)] for x in states])
    log_odds = outputs[..., 0] + weights * fields
    expected = np.sum(-0.5 * np.log1p(np.exp(-states * log_odds)) + 1j * states * outputs[..., 1], axis=1)
    np.testing.assert_allclose(log_psi(ansatz, states), expected, rtol=1e-12)
    np.testing.assert_allclose(all_outputs(ansatz, states)[..., 0], log_odds, rtol=1e-12, atol=1e-13)


def drawn(ansatz: Autoregressive, n_chains: int = 64, per_chain: int = 256) -> np.ndarray:
    """Samples of some steps of the direct sampler, (steps, n, n_sites)."""
    sampler, chains = Direct(n_chains, n_chains * per_chain), jnp.arange(n_chains)
    x = jnp.zeros((n_chains, ansatz.space.n_sites), jnp.int8)
    batches = [sample(sampler, ansatz, jax.random.fold_in(KEY, s), chains, x, jnp.asarray(0))[0] for s in range(3)]
    return np.stack([np.asarray(batch).reshape(-1, ansatz.space.n_sites) for batch in batches])


@pytest.mark.parametrize(
    ("network", "space"),
    [("dense", "free"), ("dense_fields", "one"), ("recurrent", "one"), ("recurrent_fields", "free")],
)
def test_direct_samples_follow_the_square_of_psi(network, space):
    ansatz, states = steep(network, SPACES[space]), all_states(SPACES[space])
    probabilities = np.exp(2 * np.real(log_psi(ansatz, states)))
    assert 1e-3 < chi_square_p(drawn(ansatz), states, probabilities) < 1 - 1e-3


class OffByOne(Autoregressive):
    """Samples each site with the conditional of the site before it."""

    ansatz: Autoregressive
    space: Spins

    def site_by_site(self):
        start, advance = self.ansatz.site_by_site()
        first = advance(start, jnp.asarray(0), jnp.ones(N_SITES, jnp.int8))[1]

        def late(carry, site, x):
            state, outputs = advance(carry[0], site, x)
            return (state, outputs), carry[1]

        return (start, jnp.zeros_like(first)), late


@pytest.mark.parametrize("network", ["dense", "recurrent"])
def test_the_chi_square_notices_conditionals_of_a_wrong_site(network):
    ansatz, states = steep(network, Spins(N_SITES)), all_states(Spins(N_SITES))
    probabilities = np.exp(2 * np.real(log_psi(ansatz, states)))
    assert chi_square_p(drawn(OffByOne(ansatz, ansatz.space)), states, probabilities) < 1e-12


def test_streams_belong_to_their_chains_and_steps():
    ansatz = steep("dense", Spins(N_SITES))
    sampler, x = Direct(8, 40), jnp.zeros((8, N_SITES), jnp.int8)
    whole, last, info = sample(sampler, ansatz, KEY, jnp.arange(8), x, jnp.asarray(0))
    parts = [sample(sampler, ansatz, KEY, jnp.arange(a, b), x[a:b], jnp.asarray(9))[0] for a, b in ((0, 4), (4, 8))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(last, whole[:, -1])
    assert float(info.n_accepted) == float(info.n_proposed) == 40
    other, _, _ = sample(sampler, ansatz, jax.random.fold_in(KEY, 1), jnp.arange(8), x, jnp.asarray(0))
    assert np.any(other != whole)
    assert len({chain.tobytes() for chain in np.asarray(whole)}) == 8


@pytest.mark.parametrize("network", ["dense_fields", "recurrent"])
def test_local_energies_and_log_derivatives_at_a_fixed_magnetisation(network):
    """E_L = (Hψ)/ψ; the norm does not depend on the parameters: ⟨Re O⟩ = 0 over |ψ|²."""
    hamiltonian = Heisenberg(Lattice("chain", (N_SITES,)), marshall=False)
    ansatz, states = steep(network, hamiltonian.space), all_states(hamiltonian.space)
    psi = wave_function(ansatz, states)
    energies = all_local_energies(hamiltonian, ansatz, states, len(states))
    np.testing.assert_allclose(energies, sparse_matrix(hamiltonian) @ psi / psi, rtol=1e-10, atol=1e-10)
    view = RealView(ansatz)
    o = np.asarray(eqx.filter_jit(log_derivatives)(view, view.flatten(ansatz), jnp.asarray(states)))
    assert np.all(np.isfinite(o))
    assert np.abs(o[:, 0]).max() > 0.1
    assert np.abs((np.abs(psi) ** 2) @ o[:, 0]).max() < 1e-12


CASES = {
    "ising": (TransverseIsing(Lattice("chain", (6,)), transverse_field=1.0), MaskedDense, (10,), 40, 3e-3),
    "heisenberg": (Heisenberg(Lattice("chain", (6,))), Recurrent, (6,), 50, 3e-3),
}


@pytest.mark.parametrize("case", ["ising", pytest.param("heisenberg", marks=pytest.mark.slow)])
def test_energy_of_the_ground_state(case):
    hamiltonian, network, widths, steps, accuracy = CASES[case]
    ansatz = network(hamiltonian.space, widths, key=jax.random.key(1))
    vmc = nqs.VMC(hamiltonian, ansatz, Direct(16, 256), nqs.sr(0.1, 1e-3), seed=2)
    result = vmc.run(steps, measure_samples=4096)
    measured, exact = result.measured, ground_state(hamiltonian)[0][0]
    energy, error = measured["energy"], measured["energy_error"]
    assert energy - exact > -3 * error
    assert (energy - exact + 3 * error) / abs(exact) < accuracy
    assert abs(measured["tau"] - 1) < 0.25
    assert measured["rhat"] < 1.02
    assert measured["acceptance"] == 1
    assert [warning["kind"] for warning in result.warnings] == []


RUN = """
[hamiltonian]
kind = "sherrington_kirkpatrick"
n_sites = 6
[ansatz]
kind = "autoregressive"
widths = [8]
local_fields = true
[sampler]
n_chains = 8
n_samples = 64
[optimizer]
kind = "sgd"
[measure]
n_samples = 256
[run]
steps = 6
"""


def test_local_fields_of_bonds_with_couplings_of_their_own():
    """Any terms of two Z are couplings: here those of the bonds 01, 03, 12 and 23."""
    ring = '[hamiltonian]\nkind = "transverse_ising"\nextent = [4]\ncoupling = [1.0, -2.0, 3.0, 4.0]\n'
    text = ring + '[ansatz]\nkind = "autoregressive"\nlocal_fields = true'
    run = build_vmc(run_file.parse_text(text, "ring.toml"), Communicator())
    expected = [[0, 0, 0, 0], [1, 0, 0, 0], [0, 3, 0, 0], [-2, 0, 4, 0]]
    np.testing.assert_array_equal(run.ansatz.couplings.before(), expected)


def test_a_run_file_is_run_and_continued_bit_for_bit(tmp_path: Path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("sk.toml").write_text(RUN)
    assert call("run", "sk.toml", "--dry-run") == 0
    plan = capfd.readouterr().out
    n_connections = sum(1 + 5 * k // 8 for k in range(8)) + sum(-(-8 * i // 5) for i in range(6))
    assert f"{n_connections + 8 + 6 + 6} real parameters" in plan
    assert call("run", "sk.toml", "--run.output", "whole.h5") == 0
    assert "8 chains, 64 samples a step, direct sampling" in capfd.readouterr().out
    assert call("run", "sk.toml", "--run.output", "parts.h5", "--run.steps", "3") == 0
    assert call("run", "sk.toml", "--run.output", "parts.h5") == 0
    whole, parts = results.read(Path("whole.h5")), results.read(Path("parts.h5"))
    np.testing.assert_array_equal(parts.history["energy"], whole.history["energy"])
    np.testing.assert_array_equal(parts.state["chains"], whole.state["chains"])
    assert parts.measured["energy"] == whole.measured["energy"]
    loaded = nqs.load("whole.h5").ansatz
    assert isinstance(loaded, MaskedDense)
    assert loaded.couplings == Couplings(whole.instance["couplings"])


def test_what_cannot_be_sampled_directly_is_refused():
    hamiltonian = Heisenberg(Lattice("chain", (6,)))
    with pytest.raises(InputError, match=r"sampler\.kind: direct sampling needs an autoregressive ansatz alone; RBM"):
        nqs.VMC(hamiltonian, nqs.RBM(6, key=KEY), Direct(), nqs.sgd(0.1))
    with pytest.raises(InputError, match=r"sampler\.kind: direct sampling gives configurations of"):
        nqs.VMC(hamiltonian, MaskedDense(Spins(6), key=KEY), Direct(), nqs.sgd(0.1))
    with pytest.raises(ValueError, match="multiple"):
        Direct(3, 4)
    with pytest.raises(ValueError, match="square"):
        Couplings(np.ones((2, 3)))


def test_metropolis_samples_an_autoregressive_ansatz_as_well():
    space = Spins(N_SITES, 1.0)
    ansatz, states = steep("dense", space), all_states(space)
    sampler = nqs.Metropolis(nqs.Exchange(all_pairs(N_SITES)), 1024, 1024)
    x = jnp.tile(jnp.asarray(states[3]), (1024, 1))
    samples, _, _ = sample(sampler, ansatz, KEY, jnp.arange(1024), x, jnp.asarray(60))
    probabilities = np.exp(2 * np.real(log_psi(ansatz, states)))
    assert 1e-3 < chi_square_p(np.asarray(samples)[None, :, 0], states, probabilities) < 1 - 1e-3

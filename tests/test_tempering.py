"""Parallel tempering: the distribution of every replica, swaps and round trips, and runs that continue."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from launching import call, history, nqs
from systems import chi_square_p, rbm, wave_function

from hamiltonians.exact import all_states
from hamiltonians.space import Spins
from nqs import results
from nqs.ansatz.base import Ansatz
from nqs.ansatz.rbm import rbm_of
from nqs.guards import measured_warnings
from nqs.sampler.base import Sampler, sample
from nqs.sampler.metropolis import Metropolis
from nqs.sampler.moves import Exchange, LocalFlip, all_pairs
from nqs.sampler.tempering import Tempering, swaps

N_CHAINS = 2048
KEY = jax.random.key(5)

run = eqx.filter_jit(sample)


def metropolis(moves, n_chains: int = N_CHAINS, per_chain: int = 1, sweeps: int = 1) -> Metropolis:
    return Metropolis(moves, n_chains, per_chain * n_chains, sweeps)


def drawn(sampler: Sampler, ansatz: Ansatz, space: Spins, sweeps: int):
    """A step from random configurations after some sweeps."""
    chains = jnp.arange(sampler.n_chains)
    start = sampler.start(space, jax.random.key(1), chains)
    return run(sampler, ansatz, KEY, chains, start, jnp.asarray(sweeps))


@pytest.mark.slow
def test_each_replica_follows_its_power_of_psi():
    space = Spins(6, 0.0)
    ansatz, states = rbm("complex128", visible_bias=True, stddev=0.5, seed=4), all_states(space)
    sampler = Tempering(metropolis(Exchange(all_pairs(6)), 1024), 4, 0.2)
    samples, last, info = drawn(sampler, ansatz, space, 20)
    np.testing.assert_array_equal(samples[:, -1], last[:, 0, :-1])
    psi = np.abs(wave_function(ansatz, states))
    ps = []
    for level, beta in enumerate(np.linspace(1, 0.2, 4)):
        p = psi ** (2 * beta)
        ps.append(chi_square_p(np.asarray(last[None, :, level, :-1]), states, p / p.sum()))
    assert min(ps) > 1e-3, ps
    assert max(ps) < 1 - 1e-3, ps
    assert 0 < float(info.n_accepted) < float(info.n_proposed)


def bimodal(n_sites: int, coupling: float, bias: float) -> Ansatz:
    """log ψ = Σ_j log cosh(W Σ_i x_i + b): two modes, all spins up or all down, of unequal weight."""
    return rbm_of(jnp.full((n_sites, n_sites), coupling), jnp.full(n_sites, bias))


@pytest.mark.slow
def test_tempering_crosses_between_modes_where_single_flips_stay():
    """The modes of a ferromagnetic machine have weights as 4 to 1 and next to nothing between them."""
    n_sites, space = 8, Spins(8)
    ansatz, states = bimodal(n_sites, 0.25, 0.05), all_states(space)
    probabilities = np.abs(wave_function(ansatz, states)) ** 2
    magnetisation = states.sum(axis=1)
    up = probabilities[magnetisation > 0].sum()
    assert 0.8 < up < 0.85
    assert probabilities[magnetisation == 0].sum() < 2e-3
    plain, _, _ = drawn(metropolis(LocalFlip()), ansatz, space, 40)
    assert abs(np.mean(np.sum(plain[:, 0], axis=-1) > 0) - 0.5) < 0.1
    samples, _, _ = drawn(Tempering(metropolis(LocalFlip()), 5, 0.05), ansatz, space, 160)
    assert 1e-3 < chi_square_p(np.asarray(samples[None, :, 0]), states, probabilities) < 1 - 1e-3


def test_swaps_are_those_of_plain_python():
    n, n_chains, index = 5, 40, 3
    betas = np.linspace(1, 0.3, n)
    log_values = np.random.default_rng(0).normal(size=(n, n_chains)) * 2
    keys = jax.vmap(lambda c: jax.random.fold_in(KEY, c))(jnp.arange(n_chains))
    order, made = eqx.filter_jit(swaps)(keys, jnp.asarray(index), jnp.asarray(betas), jnp.asarray(log_values))
    expected_made = np.zeros(n - 1)
    for chain in range(n_chains):
        uniform = 1 - np.asarray(jax.random.uniform(jax.random.fold_in(keys[chain], index), (n - 1,)))
        expected = list(range(n))
        for first in (0, 2, 1, 3):
            a, b = (log_values[expected[r], chain] for r in (first, first + 1))
            old = 2 * (betas[first] * a + betas[first + 1] * b)
            new = 2 * (betas[first] * b + betas[first + 1] * a)
            if uniform[first] < np.exp(new - old):
                expected[first], expected[first + 1] = expected[first + 1], expected[first]
                expected_made[first] += 1
        np.testing.assert_array_equal(order[:, chain], expected)
    np.testing.assert_array_equal(made, expected_made)
    assert made.min() > 0
    assert made.max() < n_chains


def test_round_trips_of_a_constant_psi():
    """Every swap is accepted: with four replicas a replica takes two levels a sweep, and no tie is lost."""
    sampler = Tempering(metropolis(LocalFlip(), 3, 40), 4, 0.5)
    _, last, info = drawn(sampler, rbm(stddev=0.0), Spins(6), 0)
    found = sampler.diagnostics(np.asarray(info.tallies))
    np.testing.assert_array_equal(found["swap_acceptance"], 1.0)
    ends, trips = [1, 0, 0, 0], 0
    for _ in range(40):
        ends = [ends[i] for i in (1, 3, 0, 2)]
        ends[3] = -1 if ends[3] == 1 else ends[3]
        trips, ends[0] = trips + (ends[0] == -1), 1
    assert found["round_trips"] == 3 * trips > 0
    np.testing.assert_array_equal(last[:, :, -1], [ends] * 3)


@pytest.mark.parametrize(
    ("arguments", "message"), [((1, 0.1), "at least 2"), ((4, 0.0), "between"), ((4, 1.0), "between")]
)
def test_bad_ladders_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Tempering(metropolis(LocalFlip()), *arguments)


@pytest.mark.parametrize(("trips", "kinds"), [(0.0, ["measured_round_trips"]), (1.0, [])])
def test_a_ladder_without_a_round_trip_is_warned_about(trips, kinds):
    measured = {"energy": 0.0, "energy_error": 1.0, "acceptance": 0.5, "variance": 1.0, "rhat": 1.0, "rhat_order": 1.0}
    found = list(measured_warnings({**measured, "swap_acceptance": np.array([0.5, 1e-9]), "round_trips": trips}, -9.0))
    assert [kind for kind, _ in found] == kinds
    assert all("0.5 1e-09" in text for _, text in found)


LADDER = """
[hamiltonian]
kind = "transverse_ising"
extent = [6]

[sampler]
kind = "tempering"
n_chains = 6
n_samples = 18
burn_in = 5
n_replicas = 3

[optimizer]
kind = "sr"

[measure]
n_samples = 18
burn_in = 5

[run]
steps = 6
"""


@pytest.mark.slow
@pytest.mark.mpi
def test_a_run_continues_bit_for_bit_and_on_another_number_of_ranks(tmp_path, monkeypatch, capfd):
    (tmp_path / "ladder.toml").write_text(LADDER)

    monkeypatch.chdir(tmp_path)
    assert call("run", "ladder.toml", "--run.output", "whole.h5") == 0
    text = capfd.readouterr().out
    assert "3 replicas from beta = 1 to 0.1" in text
    assert "swap acc." in text
    assert "round trips" in text
    assert call("run", "ladder.toml", "--run.output", "parts.h5", "--run.steps", 3) == 0
    (tmp_path / "two.h5").write_bytes((tmp_path / "parts.h5").read_bytes())
    assert call("run", "ladder.toml", "--run.output", "parts.h5") == 0
    done = nqs("run", "ladder.toml", "--run.output", "two.h5", ranks=2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole = results.read(tmp_path / "whole.h5")
    assert whole.state["chains"].shape == (6, 3, 7)
    assert whole.measured["swap_acceptance"].shape == (2,)
    for name, values in history(tmp_path / "whole.h5").items():
        np.testing.assert_array_equal(history(tmp_path / "parts.h5")[name], values, err_msg=name)
    np.testing.assert_array_equal(results.read(tmp_path / "parts.h5").state["chains"], whole.state["chains"])
    two = results.read(tmp_path / "two.h5")
    np.testing.assert_allclose(two.history["energy"], whole.history["energy"], rtol=1e-10)
    np.testing.assert_array_equal(two.state["chains"], whole.state["chains"])
    np.testing.assert_array_equal(two.measured["swap_acceptance"], whole.measured["swap_acceptance"])
    assert two.measured["round_trips"] == whole.measured["round_trips"] > 0

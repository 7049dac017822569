"""A Jastrow factor on, and a symmetry sector of, every wave function that a run file names."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import BALANCED, HAMILTONIANS, all_local_energies, chi_square_p, log_psi, wave_function
from test_gradient import assert_is_the_slope, derivatives

import nqs
from hamiltonians.exact import all_states, sparse_matrix
from hamiltonians.space import Flip, Spins
from nqs.ansatz.base import Ansatz
from nqs.ansatz.jastrow import Jastrow
from nqs.ansatz.product import Product
from nqs.ansatz.projected import Projected
from nqs.build import build_vmc
from nqs.build_ansatz import build_sector
from nqs.own_ansatz import with_network_keys
from nqs.parallel import Communicator
from nqs.parameters import RealView
from nqs.run_file import parse_text
from nqs.sampler.base import sample, start_chains
from nqs.sampler.direct import Direct
from nqs.sampler.metropolis import Metropolis
from nqs.sampler.moves import all_pairs

SYSTEM = '[hamiltonian]\nkind = "heisenberg"\nextent = [6]\nmarshall = false\n'
SHORT = '[sampler]\nn_chains = 4\nn_samples = 8\n[optimizer]\nkind = "sgd"\n'
OWN = Path(__file__).stem
ODD = "sector = {momentum = [3], spin_flip = -1}"
TURNING = "sector = {momentum = [1]}"

# The keys of a kind, and a sector of several states in which it has a part.
KINDS = {
    "rbm": ('kind = "rbm"\nstddev = 0.3', TURNING),
    "rbm_phase": ('kind = "rbm"\nphase = true\nstddev = 0.3', ODD),
    "ffn": ('kind = "ffn"\nwidths = [4]', TURNING),
    "cnn": ('kind = "cnn"\nchannels = 2\nblocks = 1', "sector = {momentum = [0], spin_flip = 1}"),
    "vit": ('kind = "vit"\nlayers = 1\nwidth = 4\nheads = 2', ODD),
    "pair_product": ('kind = "pair_product"\npairing = {stddev = 1.0}', ODD),
    "flax": ('kind = "flax"\nmodule = "netket.models:RBMModPhase"', ODD),
    "autoregressive": ('kind = "autoregressive"\nwidths = [4]\nphase = true', ODD),
    "recurrent": ('kind = "autoregressive"\nnetwork = "recurrent"\nwidths = [3]', TURNING),
    "own": (f'kind = "{OWN}:Squares"', TURNING),
}
JASTROW = ('kind = "jastrow"\nvisible_bias = true\nstddev = 0.3', TURNING)
BOTH = {name: f"{keys}\njastrow = true\n{chosen}\n" for name, (keys, chosen) in KINDS.items()}
BOTH["jastrow"] = "\n".join(JASTROW)


class Squares(Ansatz):
    """log ψ(x) = w·x + (w·x)², without moves of its own."""

    weights: jax.Array

    def __init__(self, n_sites: int, *, key):
        self.weights = jax.random.normal(key, (n_sites,)) / 2

    def __call__(self, x):
        angle = self.weights @ x.astype(float)
        return angle + angle**2


def config(ansatz: str):
    return parse_text(f"{SYSTEM}[ansatz]\n{ansatz}\n{SHORT}", "factors.toml")


def vmc(ansatz: str) -> nqs.VMC:
    return build_vmc(config(ansatz), Communicator(), name="factors.toml")


CASES = [(name, part) for name in KINDS for part in ("jastrow", "sector")] + [("jastrow", "sector")]
QUICK = [(name, part) for name in ("autoregressive", "own") for part in ("jastrow", "sector")] + [("jastrow", "sector")]


@pytest.mark.parametrize(
    ("name", "part"), [pytest.param(*case, marks=[] if case in QUICK else pytest.mark.slow) for case in CASES]
)
def test_two_steps_of_a_run_file(name, part):
    keys, chosen = KINDS.get(name, JASTROW)
    run = vmc(f"{keys}\n{chosen if part == 'sector' else 'jastrow = true'}")
    assert isinstance(run.ansatz, Projected if part == "sector" else Product)
    assert isinstance(run.sampler, Metropolis)
    result = run.run(2, measure_samples=8, measure_burn_in=2)
    assert result.status == "complete"
    assert np.all(np.isfinite(result.history["energy"]))
    assert np.any(run.view.flatten(result.ansatz) != run.view.flatten(run.ansatz))


@pytest.mark.parametrize("name", BOTH)
def test_the_projection_has_the_characters_of_its_sector(name):
    """ψ(g x) = χ_g ψ(x) at random configurations, of the product with the Jastrow factor."""
    run = vmc(BOTH[name])
    inside = run.ansatz.ansatz.factors if name != "jastrow" else (run.ansatz.ansatz,)
    assert isinstance(inside[-1] if name != "pair_product" else inside[0], Jastrow)
    chosen = build_sector(with_network_keys(config(BOTH[name]), "factors.toml").ansatz, run.hamiltonian)
    assert len(chosen.flips) == (6 if TURNING in BOTH[name] else 12)
    x = np.asarray(start_chains(Spins(6, 0.0), jax.random.key(5), jnp.arange(8)))
    psi = np.exp(np.asarray(log_psi(run.ansatz, x)))
    images = x[:, chosen.permutations] * chosen.flips[:, None].astype(np.int8)
    found = np.exp(np.asarray(log_psi(run.ansatz, images.reshape(-1, 6)))).reshape(8, -1)
    assert np.abs(psi).max() > 1e-3
    np.testing.assert_allclose(found, psi[:, None] * chosen.characters, rtol=0, atol=1e-12 * np.abs(psi).max())


@eqx.filter_jit
def both_ways(ansatz: Ansatz, x, moves):
    """log ψ(x′) − log ψ(x) of each move by the cache, twice, and by the definition."""

    def of(x, sites):
        move, cache = Flip(sites), ansatz.start(x)
        moved, _ = ansatz.moved(cache, x, move)
        return ansatz.log_ratio(cache, x, move), moved, Ansatz.log_ratio(ansatz, ansatz(x), x, move)

    return jax.vmap(of)(x, moves)


@pytest.mark.parametrize("name", BOTH)
def test_ratios_and_local_energies_are_those_of_the_definition(name):
    """Away from the nodes that a sector has: exchanges, and E_L ψ = Hψ."""
    run = vmc(BOTH[name])
    states = all_states(run.hamiltonian.space)
    psi = wave_function(run.ansatz, states)
    states, is_there = states[np.abs(psi) > 1e-6], np.abs(psi) > 1e-6
    assert len(states) >= 2
    energies = np.asarray(all_local_energies(run.hamiltonian, run.ansatz, states, 7))
    expected = (sparse_matrix(run.hamiltonian) @ psi)[is_there] / psi[is_there]
    assert np.ptp(np.real(expected)) > 1e-3
    np.testing.assert_allclose(energies, expected, rtol=1e-8, atol=1e-8)
    ups, downs = (np.array([np.flatnonzero(x == spin)[0] for x in states]) for spin in (1, -1))
    fast, moved, slow = both_ways(run.ansatz, jnp.asarray(states), jnp.asarray(np.stack([ups, downs], axis=1)))
    np.testing.assert_allclose(np.exp(fast), np.exp(slow), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(np.exp(moved), np.exp(slow), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", BALANCED)
def test_local_energies_and_gradient_at_one_magnetisation_are_those_of_exact_sums(name):
    """ψ is zero outside, which no local energy, gradient or ratio may show, nor derivatives taken there as well."""
    model, ansatz = HAMILTONIANS["heisenberg"], BALANCED[name]()
    states = all_states(Spins(6, 0.0))
    psi = wave_function(ansatz, states)
    energies = all_local_energies(model, ansatz, states, 5)
    np.testing.assert_allclose(energies, (sparse_matrix(model) @ psi) / psi, rtol=1e-9, atol=1e-9)
    assert_is_the_slope(model, ansatz)
    inside = jnp.asarray(states)
    outside = inside.at[:, 0].multiply(-1)
    np.testing.assert_array_equal(np.real(log_psi(ansatz, outside)), -np.inf)
    fast, moved, _ = both_ways(ansatz, inside, jnp.tile(jnp.array([0, 6]), (len(states), 1)))
    np.testing.assert_array_equal(np.real([fast, moved]), -np.inf)
    view = RealView(ansatz)
    slopes = np.asarray(derivatives(view, view.flatten(ansatz), jnp.concatenate([inside, outside])))
    assert np.all(np.isfinite(slopes))
    assert ansatz.has_one_magnetisation()


@pytest.mark.parametrize("name", ["masked_dense_jastrow", "masked_dense_projected"])
def test_samples_at_one_magnetisation_follow_the_square_of_psi(name):
    ansatz, states, n = BALANCED[name](), all_states(Spins(6, 0.0)), 1024
    sampler = nqs.Metropolis((nqs.Exchange(all_pairs(6)), nqs.GlobalFlip()), n_chains=n, n_samples=n)
    x = start_chains(Spins(6, 0.0), jax.random.key(7), jnp.arange(n))
    samples, *_ = sample(sampler, ansatz, jax.random.key(8), jnp.arange(n), x, jnp.asarray(15))
    probabilities = np.abs(wave_function(ansatz, states)) ** 2
    assert 1e-3 < chi_square_p(np.asarray(samples).reshape(1, n, 6), states, probabilities) < 1 - 1e-3


@pytest.mark.parametrize(
    ("keys", "sampler"),
    [
        ("", Direct),
        ("jastrow = false", Direct),
        ("jastrow = true", Metropolis),
        ("sector = {}", Metropolis),
        ("pairing = {}", Metropolis),
    ],
)
def test_only_an_autoregressive_ansatz_that_is_alone_is_sampled_directly(keys, sampler):
    assert isinstance(vmc(f'kind = "autoregressive"\nwidths = [4]\n{keys}').sampler, sampler)

"""The sampler proposal by proposal: an independent rendering in plain Python, and what its keys belong to."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import log_psi, rbm

from hamiltonians.exact import all_states
from hamiltonians.space import Spins
from nqs.sampler import metropolis
from nqs.sampler.base import sample, start_chains
from nqs.sampler.metropolis import Metropolis
from nqs.sampler.moves import Exchange, GlobalFlip, LocalFlip, all_pairs

N_SITES = 4
KEY = jax.random.key(21)

run = eqx.filter_jit(sample)


def amplitudes(ansatz) -> dict[bytes, float]:
    """|ψ|² of every configuration."""
    states = all_states(Spins(N_SITES))
    values = np.asarray(log_psi(ansatz, states))
    return {state.tobytes(): float(np.exp(2 * value.real)) for state, value in zip(states, values, strict=True)}


def plain_sweep(sampler: Metropolis, weights: dict[bytes, float], chain: int, index: int, x: np.ndarray):
    """One sweep of one chain with the random numbers of the sampler: x, accepted, proposed."""
    n = N_SITES + 1
    key = jax.random.fold_in(jax.random.fold_in(KEY, chain), index)
    accept_key, coin_key = jax.random.split(key)
    uniform = np.asarray(jax.random.uniform(accept_key, (n,)))
    proposed = n if bool(jax.random.bernoulli(coin_key)) else n - 1
    shared = jax.random.fold_in(jax.random.fold_in(KEY, 2**32 - 1), index)
    choice_key, move_key = jax.random.split(shared)
    choices = np.asarray(jax.random.categorical(choice_key, jnp.log(jnp.asarray(sampler.weights)), shape=(n,)))
    numbers = [
        np.asarray(move.draw(jax.random.fold_in(move_key, k), n, N_SITES)) for k, move in enumerate(sampler.moves)
    ]
    accepted = 0
    for i in range(proposed):
        move = sampler.moves[choices[i]]
        draw = numbers[choices[i]][i]
        new = x.copy()
        if isinstance(move, LocalFlip):
            new[draw] *= -1
        elif isinstance(move, GlobalFlip):
            new *= -1
        else:
            a, b = np.asarray(move.pairs)[draw]
            new[a], new[b] = x[b], x[a]
        if not np.array_equal(new, x) and 1 - uniform[i] < weights[new.tobytes()] / weights[x.tobytes()]:
            x, accepted = new, accepted + 1
    return x, accepted, proposed


CASES = {
    "flip": (LocalFlip(), None, None),
    "flip_global": ((LocalFlip(), GlobalFlip()), (0.6, 0.4), None),
    "exchange": (Exchange(all_pairs(N_SITES)), None, 0.0),
}


@pytest.mark.parametrize("stddev", [0.0, 0.5])
@pytest.mark.parametrize("case", CASES)
def test_samples_and_counts_are_those_of_plain_python(case, stddev):
    moves, probabilities, total_sz = CASES[case]
    sampler = Metropolis(moves, n_chains=3, n_samples=12, sweeps=2, weights=probabilities)
    ansatz = rbm(visible_bias=True, stddev=stddev, n_sites=N_SITES)
    chains, extra = jnp.array([0, 5, 2]), 3
    start = start_chains(Spins(N_SITES, total_sz), jax.random.key(1), chains)
    samples, last, info = run(sampler, ansatz, KEY, chains, start, jnp.asarray(extra))
    weights = amplitudes(ansatz)
    accepted = proposed = 0
    for place, chain in enumerate(chains.tolist()):
        x, recorded = np.array(start[place]), []
        for index in range(extra + 2 * 4):
            x, a, p = plain_sweep(sampler, weights, chain, index, x)
            accepted, proposed = accepted + a, proposed + p
            if index >= extra and (index - extra) % 2 == 1:
                recorded.append(x)
        np.testing.assert_array_equal(samples[place], recorded)
        np.testing.assert_array_equal(last[place], recorded[-1])
    assert (float(info.n_accepted), float(info.n_proposed)) == (accepted, proposed)
    assert 0 < accepted <= proposed


MIXTURE = Metropolis((LocalFlip(), GlobalFlip()), n_chains=8, n_samples=40, weights=(0.9, 0.1))
ANSATZ = rbm(visible_bias=True, stddev=0.2)
START = start_chains(Spins(6), jax.random.key(1), jnp.arange(8))


def test_a_chain_does_not_depend_on_the_chains_beside_it():
    whole, _, info = run(MIXTURE, ANSATZ, KEY, jnp.arange(8), START, jnp.asarray(2))
    parts = [run(MIXTURE, ANSATZ, KEY, jnp.arange(a, b), START[a:b], jnp.asarray(2)) for a, b in ((0, 5), (5, 8))]
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), whole)
    assert sum(float(part[2].n_accepted) for part in parts) == float(info.n_accepted)
    assert sum(float(part[2].n_proposed) for part in parts) == float(info.n_proposed)


def test_extra_sweeps_come_before_the_first_sample():
    longer = Metropolis(MIXTURE.moves, n_chains=8, n_samples=64, weights=MIXTURE.weights)
    late, last, _ = run(MIXTURE, ANSATZ, KEY, jnp.arange(8), START, jnp.asarray(3))
    all_samples, _, _ = run(longer, ANSATZ, KEY, jnp.arange(8), START, jnp.asarray(0))
    np.testing.assert_array_equal(late, all_samples[:, 3:])
    np.testing.assert_array_equal(last, all_samples[:, -1])


def test_every_step_and_every_chain_has_its_own_numbers():
    one, _, _ = run(MIXTURE, ANSATZ, KEY, jnp.arange(8), START, jnp.asarray(2))
    other, _, _ = run(MIXTURE, ANSATZ, jax.random.fold_in(KEY, 1), jnp.arange(8), START, jnp.asarray(2))
    assert np.mean(np.any(one != other, axis=2)) > 0.5
    same_start = jnp.tile(START[:1], (8, 1))
    flat = rbm(visible_bias=True, stddev=0.0)
    samples, _, _ = run(MIXTURE, flat, KEY, jnp.arange(8), same_start, jnp.asarray(20))
    assert len(np.unique(samples.reshape(8, -1), axis=0)) == 8


@pytest.mark.parametrize(("bytes_near", "n_blocks"), [(40 * 56, 1), (40 * 56 - 1, 2), (8 * 56, 5), (0, 5)])
def test_blocks_of_chains_draw_what_all_chains_together_draw(monkeypatch, bytes_near, n_blocks):
    """Of 40 chains, whose caches take 56 bytes each, none in blocks of less than eight."""
    sampler, ansatz = Metropolis(LocalFlip(), n_chains=40, n_samples=80), rbm()
    x = start_chains(Spins(6), jax.random.key(0), jnp.arange(40))
    arguments = ansatz, jax.random.key(1), jnp.arange(40), x, jnp.asarray(2)
    monkeypatch.setattr(metropolis, "NEAR", 2**30)
    expected = sampler.draw(*arguments)
    monkeypatch.setattr(metropolis, "NEAR", bytes_near)
    assert metropolis._n_blocks(ansatz, x) == n_blocks
    for found, together in zip(jax.tree.leaves(sampler.draw(*arguments)), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(found, together)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_chains": 3, "n_samples": 10}, "multiple"),
        ({"n_chains": 0}, "at least 1"),
        ({"n_samples": 0}, "at least 1"),
        ({"sweeps": 0}, "at least 1"),
        ({"burn_in": -1}, "at least 0"),
        ({"weights": (1.0,)}, "positive weight"),
        ({"weights": (1.0, 0.0)}, "positive weight"),
        ({"weights": (1.0, -1.0)}, "positive weight"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Metropolis((LocalFlip(), GlobalFlip()), **arguments)


def test_no_move_is_refused():
    with pytest.raises(ValueError, match="positive weight"):
        Metropolis(())

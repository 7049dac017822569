"""Configurations of spins and moves between them."""

from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import chi_square_p

from hamiltonians.exact import all_states, n_states
from hamiltonians.space import Flip, Spins


@pytest.mark.parametrize("total_sz", [None, 0.0, 1.0, -2.0, 3.0])
def test_states_of_a_sector(total_sz):
    space = Spins(6, total_sz)
    states = all_states(space)
    numbers = ((states + 1) // 2) @ (2 ** np.arange(6)[::-1])
    assert np.all(np.diff(numbers) > 0)
    assert set(np.unique(states)) <= {-1, 1}
    if total_sz is None:
        assert len(states) == n_states(space) == 64
    else:
        assert len(states) == n_states(space) == comb(6, 3 + int(total_sz))
        assert np.all(states.sum(axis=1) / 2 == total_sz)


@pytest.mark.parametrize(("n_sites", "total_sz"), [(6, None), (6, -1.0)])
def test_random_configurations_are_uniform(n_sites, total_sz):
    space = Spins(n_sites, total_sz)
    states = all_states(space)
    draws = jax.jit(jax.vmap(space.random))(jax.random.split(jax.random.key(5), 4000))
    p = chi_square_p(np.asarray(draws)[None], states, np.full(len(states), 1 / len(states)))
    assert 1e-3 < p < 1 - 1e-3


@pytest.mark.parametrize(
    ("n_sites", "total_sz"), [(0, None), (-1, None), (4, 0.5), (5, 0.0), (4, 3.0), (4, -2.5), (3, 0.25)]
)
def test_impossible_spaces_are_refused(n_sites, total_sz):
    with pytest.raises(ValueError, match=r"n_sites|total_sz"):
        Spins(n_sites, total_sz)


def test_flip_reverses_its_sites_and_padding_reverses_nothing():
    x = jnp.array([1, -1, 1, 1], jnp.int8)
    assert Flip(jnp.array([1, 2])).apply(x).tolist() == [1, 1, -1, 1]
    assert Flip(jnp.array([4, 0, 4])).apply(x).tolist() == [-1, -1, 1, 1]
    assert Flip(jnp.array([4, 4])).apply(x).tolist() == x.tolist()

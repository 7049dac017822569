"""Pair-product states: against second quantisation written out, and by what is known exactly of singlets."""

from itertools import permutations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import (
    HAMILTONIANS,
    SINGLETS,
    all_local_energies,
    chi_square_p,
    log_psi,
    pair_product,
    rbm,
    wave_function,
)
from test_gradient import assert_is_the_slope
from test_natural_gradient import definition, direction, solvers

import nqs
from hamiltonians.exact import all_states, ground_state, sparse_matrix
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.lattice import EdgeList, Lattice
from hamiltonians.space import Flip, Spins
from hamiltonians.symmetry import symmetry_group
from nqs import run_file
from nqs.ansatz.jastrow import Jastrow
from nqs.ansatz.mean_field import boundary_signs, mean_field_pairs
from nqs.ansatz.pair_product import PairProduct
from nqs.ansatz.product import Product
from nqs.ansatz.rbm import RBM
from nqs.build import build_vmc
from nqs.parallel import Communicator
from nqs.sampler.base import sample, start_chains
from nqs.sampler.moves import all_pairs


def vmc(text: str) -> nqs.VMC:
    return build_vmc(run_file.parse_text(text, "pairs.toml"), Communicator(), name="pairs.toml")


def balanced(n_sites: int) -> np.ndarray:
    return all_states(Spins(n_sites, 0.0))


def sign_of(order) -> int:
    return round(np.linalg.det(np.eye(len(order))[list(order)]))


def test_it_is_the_amplitude_of_pairs_of_electrons():
    """Σ over all ways to pair ups and downs, each with the sign that brings c†_u c†_d c†_u′ c†_d′ … into order."""
    ansatz, states = pair_product(), balanced(6)
    amplitudes = np.asarray(ansatz._amplitudes())
    expected = []
    for x in states:
        up, down = np.flatnonzero(x > 0), np.flatnonzero(x < 0)
        total = 0.0
        for partners in permutations(down):
            operators = np.ravel(np.column_stack([up, partners]))
            total += sign_of(np.argsort(operators)) * np.prod(amplitudes[up, list(partners)])
        expected.append(total)
    psi = np.exp(np.asarray(log_psi(ansatz, states)))
    overall = sign_of(np.argsort([0, 3, 1, 4, 2, 5]))
    np.testing.assert_allclose(psi, overall * np.array(expected), atol=1e-12)


def test_it_has_total_spin_zero():
    """Σ_{i<j} S_i·S_j = (S² − 3N/4)/2 of every configuration."""
    n = 8
    everywhere = EdgeList(n, tuple((i, j) for i in range(n) for j in range(i)))
    energies = all_local_energies(Heisenberg(everywhere, marshall=False), pair_product(n), balanced(n), 64)
    np.testing.assert_allclose(energies, -3 * n / 8, atol=1e-9)


@pytest.mark.parametrize("n", [6, 10])
def test_pairs_of_a_fermi_sea_are_the_state_of_haldane_and_shastry(n):
    """With J_ij = (π/N)²/sin²(π(i − j)/N) its energy is −π²(N + 5/N)/24 (B. S. Shastry, Phys. Rev. Lett. 60, 639)."""
    distance = np.subtract.outer(np.arange(n), np.arange(n))
    sea = np.sum([np.cos(2 * np.pi * k * distance / n) for k in range(-(n // 4), n // 4 + 1)], axis=0)
    ansatz = PairProduct(symmetry_group(Lattice("chain", (n,)), "translation"), sea, key=jax.random.key(0), stddev=0.0)
    pairs = tuple((i, j) for i in range(n) for j in range(i))
    couplings = [(np.pi / n / np.sin(np.pi * (i - j) / n)) ** 2 for i, j in pairs]
    model = Heisenberg(EdgeList(n, pairs), couplings, marshall=False)
    energies = all_local_energies(model, ansatz, balanced(n), 64)
    np.testing.assert_allclose(energies, -(np.pi**2) * (n + 5 / n) / 24, rtol=1e-9)


@pytest.mark.parametrize("extent", [(6,), (8,), (4, 4), (3, 4), (2, 6)])
def test_translations_multiply_it_by_their_sign(extent):
    """Of rings of 4m sites, and of an odd number of them side by side, the boundary takes that sign away."""
    lattice = Lattice("chain" if len(extent) == 1 else "square", extent)
    group, signs = symmetry_group(lattice, "translation"), boundary_signs(lattice)
    n = group.shape[1]
    ansatz = PairProduct(group, np.zeros((n, n)), signs, key=jax.random.key(1), stddev=1.0)
    x = np.asarray(Spins(n, 0.0).random(jax.random.key(2)))
    psi = np.exp(np.asarray(log_psi(ansatz, jnp.asarray(x[group]))))
    np.testing.assert_allclose(psi / psi[0], [1 if extent in ((8,), (3, 4)) else sign_of(g) for g in group], atol=1e-10)
    assert np.any(signs < 0) == (extent != (6,))


@pytest.mark.parametrize(
    ("kind", "extent", "share"),
    [
        ("chain", (8,), 0.99),
        ("chain", (10,), 0.99),
        ("square", (4, 4), 0.8),
        ("square", (4, 3), 0.9),
        ("square", (8, 1), 0.99),
    ],
)
def test_the_first_pairs_are_near_the_ground_state(kind, extent, share):
    """Whichever boundary closes the shell, free and tied by translations, also where pairs are antiperiodic."""
    table = f'[hamiltonian]\nkind = "heisenberg"\nmarshall = false\nlattice = "{kind}"\nextent = {list(extent)}\n'
    for symmetry in ("none", "translation"):
        pairs = f'[ansatz]\nkind = "pair_product"\npairing = {{symmetry = "{symmetry}", stddev = 1e-3}}\n'
        run = vmc(table + pairs)
        psi = wave_function(run.ansatz, all_states(run.hamiltonian.space))
        assert abs(np.vdot(ground_state(run.hamiltonian)[1], psi)) > share


@pytest.mark.parametrize("length", [6, 8, 10, 12, 14])
def test_no_pair_of_the_mean_field_drowns_the_others(length):
    square = Lattice("square", (length, length))
    assert np.linalg.cond(mean_field_pairs(square, boundary_signs(square))) < 2000


def test_factors_of_a_run_file():
    table = (
        '[hamiltonian]\nkind = "heisenberg"\nmarshall = false\nextent = [6]\n[ansatz]\njastrow = true\npairing = {}\n'
    )
    assert [type(factor) for factor in vmc(table).ansatz.factors] == [RBM, Jastrow, PairProduct]


def test_a_chain_leaves_a_configuration_where_psi_is_zero():
    """Two sites that are paired with nobody else cannot both be up."""
    ansatz = pair_product()
    lonely = np.isin(np.arange(6), [0, 1])
    severed = lonely[:, None] != lonely
    ansatz = eqx.tree_at(lambda a: a.signs, ansatz, jnp.where(severed, 0, 1).astype(jnp.int8))
    x = jnp.asarray([1, 1, -1, -1, 1, -1], jnp.int8)
    assert np.real(ansatz(x)) == -np.inf
    sampler = nqs.Metropolis(nqs.Exchange(all_pairs(6)), n_chains=16, n_samples=16, sweeps=30)
    samples, *_ = sample(sampler, ansatz, jax.random.key(0), jnp.arange(16), jnp.tile(x, (16, 1)), jnp.asarray(0))
    assert np.all(np.isfinite(log_psi(ansatz, samples[:, 0])))


def test_it_vanishes_at_other_magnetisations():
    ansatz, x = pair_product(), jnp.asarray([1, 1, -1, -1, 1, -1], jnp.int8)
    assert np.real(ansatz(x.at[2].set(1))) == -np.inf
    cache = ansatz.start(x)
    for sites, expected in (([0, 1], -np.inf), ([6, 3], -np.inf), ([6, 6], 0)):
        log_ratio, _ = ansatz.moved(cache, x, Flip(jnp.asarray(sites)))
        looked_up = ansatz.log_ratios(cache, x, Flip(jnp.asarray([sites])))[0]
        assert np.real(log_ratio) == np.real(looked_up) == expected


@pytest.mark.parametrize("width", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_a_thousand_exchanges_without_rebuilding_the_cache(width):
    """Exchanges of one pair of opposite spins, or of two."""
    n = 12
    lattice = Lattice("chain", (n,))
    signs = boundary_signs(lattice)
    free = PairProduct(np.arange(n)[None], mean_field_pairs(lattice, signs), signs, key=jax.random.key(0), stddev=0.3)
    ansatz = Product((rbm("float64", n_sites=n), free))
    advance = eqx.filter_jit(lambda cache, x, move: ansatz.moved(cache, x, move))
    look_up = eqx.filter_jit(lambda cache, x, move: ansatz.log_ratios(cache, x, Flip(move.sites[None]))[0])
    rng, x = np.random.default_rng(3), Spins(n, 0.0).random(jax.random.key(4))
    cache, log_before = ansatz.start(x), ansatz(x)
    for _ in range(1000):
        up, down = rng.permutation(np.flatnonzero(x > 0)), rng.permutation(np.flatnonzero(x < 0))
        move = Flip(jnp.asarray(rng.permutation(np.concatenate([up[: width // 2], down[: width // 2]]))))
        log_ratio, changed = advance(cache, x, move)
        log_after = log_psi(ansatz, move.apply(x)[None])[0]
        assert abs(np.expm1(log_ratio - (log_after - log_before))) < 1e-8
        assert abs(np.expm1(look_up(cache, x, move) - (log_after - log_before))) < 1e-8
        if np.log(rng.random()) < 2 * np.real(log_ratio):
            x, cache, log_before = move.apply(x), changed, log_after
    _, down, inverse = cache[1]
    assert set(np.asarray(down).tolist()) == set(np.flatnonzero(x < 0).tolist())
    matrix = np.asarray(ansatz.factors[1]._amplitudes())[np.asarray(cache[1][0])[:, None], down]
    np.testing.assert_allclose(inverse @ matrix, np.eye(n // 2), atol=1e-9)


@pytest.mark.parametrize("name", SINGLETS)
def test_local_energies_and_gradient_are_those_of_the_exact_sums(name):
    model, ansatz, states = HAMILTONIANS["heisenberg"], SINGLETS[name](), balanced(6)
    psi = np.exp(np.asarray(log_psi(ansatz, states)))
    expected = (sparse_matrix(model) @ psi) / psi
    np.testing.assert_allclose(all_local_energies(model, ansatz, states, 5), expected, rtol=1e-9, atol=1e-9)
    assert_is_the_slope(model, ansatz)


def test_solvers_agree_on_the_direction():
    ansatz, x = SINGLETS["pair_product_rbm"](), jnp.asarray(balanced(6))
    energies = np.asarray(all_local_energies(HAMILTONIANS["heisenberg"], ansatz, x, 5))
    expected = definition(ansatz, x, energies)
    for solver in solvers().values():
        assert np.linalg.norm(direction(ansatz, x, energies, solver, 5) - expected) < 1e-8 * np.linalg.norm(expected)


@pytest.mark.parametrize("name", SINGLETS)
def test_samples_follow_its_square(name):
    ansatz, states, n = SINGLETS[name](), balanced(6), 1024
    sampler = nqs.Metropolis((nqs.Exchange(all_pairs(6)), nqs.GlobalFlip()), n_chains=n, n_samples=n, burn_in=30)
    x = start_chains(Spins(6, 0.0), jax.random.key(7), jnp.arange(n))
    samples, *_ = sample(sampler, ansatz, jax.random.key(8), jnp.arange(n), x, jnp.asarray(30))
    probabilities = np.abs(wave_function(ansatz, states)) ** 2
    assert 1e-3 < chi_square_p(np.asarray(samples).reshape(1, n, 6), states, probabilities) < 1 - 1e-3

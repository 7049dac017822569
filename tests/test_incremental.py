"""The fast evaluation of moves against the slow definitions of the base class, at weights as large as trained ones."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import ANSATZE
from systems import N_SITES as SYSTEM_SITES

from hamiltonians.lattice import Lattice
from hamiltonians.sector import sector
from hamiltonians.sherrington_kirkpatrick import gaussian_couplings
from hamiltonians.space import Flip, Spins
from nqs.ansatz.autoregressive import Couplings
from nqs.ansatz.base import Ansatz
from nqs.ansatz.feed_forward import FeedForward
from nqs.ansatz.jastrow import Jastrow
from nqs.ansatz.masked_dense import MaskedDense
from nqs.ansatz.product import Phase, Product
from nqs.ansatz.projected import Projected
from nqs.ansatz.rbm import RBM, TabulatedRBM, rbm_of
from nqs.renyi import Replicas, nested_regions

N_SITES = 12
ROUNDS = 250
RING = Lattice("chain", (N_SITES,))
START = np.where(np.arange(N_SITES) % 3 == 0, 1, -1).astype(np.int8)

# One case for each compiled function; the parameters are replaced by random ones of three sizes.
CASES = {
    "rbm": lambda: RBM(N_SITES, 2.0, key=jax.random.key(0)),
    "rbm_visible": lambda: RBM(N_SITES, 1.5, key=jax.random.key(0), visible_bias=True),
    "rbm_complex": lambda: RBM(N_SITES, 1.0, key=jax.random.key(0), dtype="complex128"),
    "rbm_complex_visible": lambda: RBM(N_SITES, 1.5, key=jax.random.key(0), dtype="complex128", visible_bias=True),
    "jastrow": lambda: Jastrow(N_SITES, key=jax.random.key(0)),
    "jastrow_complex_visible": lambda: Jastrow(N_SITES, key=jax.random.key(0), dtype="complex128", visible_bias=True),
    "jastrow_rbm": lambda: Product((Jastrow(N_SITES, key=jax.random.key(0)), CASES["rbm_complex"]())),
    "rbm_phase": lambda: Product((CASES["rbm"](), Phase(CASES["rbm_visible"]()))),
    "projected": lambda: Projected(CASES["rbm_complex"](), sector(RING, N_SITES, (0,), None, 1)),
    "projected_positive": lambda: Projected(CASES["rbm"](), sector(RING, N_SITES, (0,), "A1")),
    "masked_dense": lambda: MaskedDense(Spins(N_SITES), (16, 8), key=jax.random.key(0)),
    "masked_dense_phase_fields": lambda: MaskedDense(
        Spins(N_SITES), (9,), key=jax.random.key(0), phase=True, couplings=Couplings(gaussian_couplings(N_SITES, 1))
    ),
    "masked_dense_jastrow": lambda: Product((CASES["masked_dense"](), CASES["jastrow"]())),
    "masked_dense_projected": lambda: Projected(CASES["masked_dense"](), sector(RING, N_SITES, (0,), None, 1)),
    "jastrow_projected": lambda: Projected(CASES["jastrow_complex_visible"](), sector(RING, N_SITES, (0,), None, 1)),
    "replicas": lambda: Replicas(
        RBM(N_SITES // 2, 1.0, key=jax.random.key(0), dtype="complex128"),
        Spins(N_SITES // 2),
        *nested_regions([0, 1, 4], N_SITES // 2, 2)[1:],
    ),
    "ffn": lambda: FeedForward(N_SITES, (16, 8), key=jax.random.key(0)),
    "ffn_phase": lambda: FeedForward(N_SITES, (9,), key=jax.random.key(0), activation="gelu", phase=True),
}

# Those that have another form for many moves.
ACCELERATED = ("rbm", "rbm_visible", "rbm_complex_visible", "rbm_phase", "projected", "projected_positive")


def random_moves() -> tuple[jax.Array, ...]:
    """Moves of one site, of two, of all, and of a random number of sites padded to the width of all."""
    rng = np.random.default_rng(7)
    orders = rng.permuted(np.tile(np.arange(N_SITES), (3, ROUNDS, 1)), axis=-1)
    widths = rng.integers(0, N_SITES + 1, (ROUNDS, 1))
    padded = np.where(np.arange(N_SITES) < widths, orders[2], N_SITES)
    padded = rng.permuted(padded, axis=-1)
    everywhere = np.tile(np.arange(N_SITES), (ROUNDS, 1))
    return tuple(jnp.asarray(sites) for sites in (orders[0, :, :1], orders[1, :, :2], everywhere, padded))


def with_random_parameters(ansatz: Ansatz, stddev: float) -> Ansatz:
    rng = np.random.default_rng(round(100 * stddev))

    def draw(leaf):
        values = rng.normal(size=leaf.shape)
        if jnp.iscomplexobj(leaf):
            values = (values + 1j * rng.normal(size=leaf.shape)) / np.sqrt(2)
        return jnp.asarray(stddev * values, leaf.dtype)

    return jax.tree.map(lambda leaf: draw(leaf) if eqx.is_inexact_array(leaf) else leaf, ansatz)


def walk(ansatz: Ansatz, x, rounds, *, asks_twice: bool = False):
    """Makes every move and never rebuilds the cache; log ratios both ways, and the cache at the end both ways.

    `asks_twice` compares those of a move of one or two sites and of the same in the other order, asked for in one call.
    """

    def one_round(state, moves):
        x, cache = state
        fast, slow = [], []
        for sites in moves:
            move = Flip(sites)
            fast.append(ansatz.log_ratio(cache, x, move))
            slow.append(Ansatz.log_ratio(ansatz, ansatz(x), x, move))
            if asks_twice and len(sites) <= 2:
                fast += list(ansatz.log_ratios(cache, x, Flip(jnp.stack([sites, sites[::-1]]))))
                slow += 2 * slow[-1:]
            cache = ansatz.advance(cache, x, move)
            x = move.apply(x)
        return (x, cache), (jnp.stack(fast), jnp.stack(slow))

    (x, cache), (fast, slow) = jax.lax.scan(one_round, (x, ansatz.start(x)), rounds)
    return x, fast, slow, cache, ansatz.start(x)


jitted_walk = eqx.filter_jit(walk)


@eqx.filter_jit
def accelerated_walk(ansatz: Ansatz, x, rounds):
    """The same in the form for many moves, without the caches, which depend on the form."""
    return ansatz.accelerated(lambda fast: walk(fast, x, rounds, asks_twice=True)[:3])


@pytest.mark.parametrize("stddev", [0.05, 0.4, 1.0])
@pytest.mark.parametrize("case", CASES)
def test_a_thousand_moves_without_rebuilding_the_cache(case, stddev):
    ansatz = with_random_parameters(CASES[case](), stddev)
    moves = random_moves()
    x, fast, slow, advanced, rebuilt = jitted_walk(ansatz, START, moves)
    assert np.max(np.abs(np.expm1(fast - slow))) < 1e-10
    assert np.std(np.real(slow)) > 1e-5
    if case in ACCELERATED:
        _, fast, slow = accelerated_walk(ansatz, START, moves)
        assert np.max(np.abs(np.expm1(fast - slow))) < 1e-10
    for one, other in zip(jax.tree.leaves(advanced), jax.tree.leaves(rebuilt), strict=True):
        turn = 1 if jnp.iscomplexobj(one) else 1j  # logarithms and phases are those of the same factor
        is_same_factor = np.abs(np.exp(turn * (one - other)) - 1) < 1e-10
        assert np.all(is_same_factor | np.isclose(one, other, rtol=1e-10, atol=0))
    expected = START.copy()
    for sites in zip(*(np.asarray(m) for m in moves), strict=True):
        for site in np.concatenate(sites):
            if site < N_SITES:
                expected[site] *= -1
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("stddev", [0.05, 1.0])
def test_the_phase_of_a_complex_machine_is_that_of_the_product_of_cosh(stddev):
    """ψ = e^(a·x) ∏ cosh(b + xW), written out."""
    ansatz = with_random_parameters(CASES["rbm_complex_visible"](), stddev)
    x = np.where(np.random.default_rng(1).random((50, N_SITES)) < 0.5, 1, -1).astype(np.int8)
    theta = x @ np.asarray(ansatz.weights) + np.asarray(ansatz.hidden_bias)
    psi = np.exp(x @ np.asarray(ansatz.visible_bias)) * np.prod(np.cosh(theta), axis=1)
    np.testing.assert_allclose(np.exp(jax.vmap(ansatz)(x)), psi, rtol=1e-11)


def test_large_angles_do_not_overflow():
    ansatz = with_random_parameters(CASES["rbm"](), 1000.0)
    x = np.where(np.random.default_rng(1).random(N_SITES) < 0.5, 1, -1).astype(np.int8)
    theta = x @ np.asarray(ansatz.weights) + np.asarray(ansatz.hidden_bias)
    assert np.max(np.abs(theta)) > 1000
    assert float(ansatz(jnp.asarray(x))) == pytest.approx(np.sum(np.abs(theta) - np.log(2)), rel=1e-12)


WALKS = {
    "float64": ("float64", 1e-10),
    "float32": ("float32", 2e-3),
    "complex128": ("complex128", 1e-8),
    "complex64": ("complex64", 5e-3),
}


@pytest.mark.parametrize("precision", WALKS)
@pytest.mark.parametrize("weights", [0.05, 0.4, 1.0, "ferromagnet"])
def test_twenty_sweeps_of_a_large_machine_by_tables(precision, weights):
    """Single flips and pairs of 80 sites; the ferromagnet has weights of one sign, which sum up to angles of 40."""
    dtype, accuracy = WALKS[precision]
    is_single = dtype in ("float32", "complex64")
    n_sites = 80
    machine = RBM(n_sites, 1.1, key=jax.random.key(0), dtype=dtype)
    if weights == "ferromagnet":
        shifts = np.random.default_rng(0).normal(0, 0.1, machine.weights.shape)
        machine = eqx.tree_at(lambda m: m.weights, machine, jnp.asarray(0.4 + shifts, dtype))
    else:
        machine = with_random_parameters(machine, weights)
    rng = np.random.default_rng(3)
    pairs = rng.permuted(np.tile(np.arange(n_sites), (10 * n_sites, 1)), axis=1)[:, :2]
    sites = (jnp.asarray(rng.integers(0, n_sites, (10 * n_sites, 1))), jnp.asarray(pairs))
    x = np.ones(n_sites, np.int8) if weights == "ferromagnet" else rng.choice(np.array([-1, 1], np.int8), n_sites)
    assert TabulatedRBM(machine).is_safe == (weights == 0.05 or (not is_single and weights != 1.0))
    _, fast, slow = accelerated_walk(machine, jnp.asarray(x), sites)
    ordinary = np.abs(slow.real) < 5 if is_single else np.ones_like(slow, bool)
    assert ordinary.any()
    assert np.max(np.abs(np.expm1(np.asarray(fast - slow)[ordinary]))) < accuracy


def test_weights_that_leave_the_range_of_the_tables_are_not_looked_up():
    machine = with_random_parameters(CASES["rbm"](), 100.0)
    assert not TabulatedRBM(machine).is_safe
    _, fast, slow = accelerated_walk(machine, jnp.asarray(START), random_moves())
    np.testing.assert_allclose(fast, slow, rtol=1e-10, atol=1e-8)


def walk_at_the_edge(machine_of_angle, accuracy: float) -> tuple[float, np.ndarray]:
    """The largest angle that is allowed, and the logarithms of ratios there, from START; moves of two sites are also
    padded in front and behind.
    """
    angle = [angle for angle in np.linspace(1, 50, 491) if TabulatedRBM(machine_of_angle(angle)).is_safe][-1]
    one, two, *wide = random_moves()
    padding = jnp.full_like(one, N_SITES)
    padded = ([one, padding], [padding, one], [padding, padding])
    moves = (one, two, *(jnp.concatenate(sites, axis=1) for sites in padded), *wide)
    _, fast, slow = accelerated_walk(machine_of_angle(angle), jnp.asarray(START), moves)
    np.testing.assert_allclose(fast.real, slow.real, rtol=accuracy, atol=1e3 * accuracy)
    np.testing.assert_allclose(np.exp(1j * np.imag(fast - slow)), 1, atol=1e3 * accuracy)
    return angle, np.asarray(slow.real)


@pytest.mark.parametrize("units", [pytest.param("all", marks=pytest.mark.slow), "one_logarithm"])
def test_tables_at_the_edge_of_their_range(units):
    """300 hidden units, which are padded and have three logarithms; the weights of all, or those of one logarithm."""
    hidden = np.ones(300)
    if units == "one_logarithm":
        hidden = np.arange(300) % 39 < 13

    def machine(angle: float) -> RBM:
        return rbm_of(jnp.asarray(angle / N_SITES * np.outer(START, hidden)), jnp.zeros(300))

    angle, ratios = walk_at_the_edge(machine, 1e-10)
    assert 9 < angle < 15
    assert np.min(ratios) < -3.8 * np.sum(hidden) * angle / N_SITES
    assert np.max(ratios) > 1.9 * np.sum(hidden) * angle / N_SITES


@pytest.mark.parametrize(
    ("dtype", "accuracy"),
    [
        ("float32", 1e-4),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in (("complex64", 2e-4), ("complex128", 1e-9))),
    ],
)
def test_tables_at_the_edge_of_their_range_by_single_logarithms(dtype, accuracy):
    """Complex ones have four hidden units, in one product, whose cosh nearly vanishes at START and is large later."""
    weights, bias = np.outer(START, np.ones(80)) / N_SITES, np.zeros(80, dtype)
    if dtype.startswith("complex"):
        weights[:, ::20] = -START[0] * np.eye(N_SITES)[:, :1] / 2

    def machine(angle: float) -> RBM:
        if dtype.startswith("complex"):
            bias[::20] = angle / 2 + 1.56j
        return rbm_of(jnp.asarray(angle * weights, dtype), jnp.asarray(bias))

    angle, ratios = walk_at_the_edge(machine, accuracy)
    assert 20 < angle < 44
    assert np.min(ratios) < -3.8 * 76 * angle / N_SITES


@pytest.mark.parametrize("is_projected", [False, True])
def test_a_complex_machine_that_vanishes_on_the_way(is_projected):
    """E is −1 and what is left of π in double precision, until a flip takes that away: 1 + E is zero."""
    weights = np.zeros((N_SITES, 4), complex)
    weights[1] = -0.25j * np.sin(np.pi)
    machine = rbm_of(jnp.asarray(weights), jnp.full(4, 0.5j * np.pi))
    ansatz = Projected(machine, sector(RING, N_SITES, (0,), None, 1)) if is_projected else machine
    moves = tuple(jnp.asarray([[site], [site]] * 40) for site in (1, 5))
    _, fast, _ = accelerated_walk(ansatz, jnp.ones(N_SITES, jnp.int8), moves)
    assert np.all(np.isfinite(fast))
    np.testing.assert_allclose(np.exp(np.sum(fast[:, ::3])), 1, rtol=1e-6)
    if not is_projected:  # no weight is on the second site
        np.testing.assert_allclose(np.exp(fast[:, 3:]), 1, rtol=1e-6)


@pytest.mark.parametrize("kind", ["cnn", "vit", "flax", "recurrent_phase_fields", "ffn_log_cosh", "masked_dense"])
def test_a_proposal_evaluates_the_wave_function_once(kind):
    ansatz, x = ANSATZE[kind](), jnp.ones(SYSTEM_SITES, jnp.int8)

    def products(function, *arguments) -> int:
        return str(jax.make_jaxpr(function)(*arguments)).count("dot_general")

    once = products(ansatz, x)
    assert once > 0
    assert products(ansatz.moved, ansatz.start(x), x, Flip(jnp.asarray([1]))) <= once


def test_a_class_that_replaces_half_of_a_move_is_refused():
    with pytest.raises(TypeError, match="Half replaces advance"):

        class Half(RBM):
            def advance(self, cache, x, move):
                return cache

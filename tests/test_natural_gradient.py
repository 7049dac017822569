"""Stochastic reconfiguration against matrices built from its definition."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import netket as nk
import numpy as np
import optax
import pytest
from systems import HAMILTONIANS, N_SITES, RING, all_local_energies, feed_forward, netket_rbm, rbm

import nqs
from hamiltonians.ising import TransverseIsing
from hamiltonians.space import Spins
from nqs.ansatz.product import Phase, Product
from nqs.ansatz.rbm import RBM
from nqs.gradient import energy_components, log_derivatives
from nqs.gram import dense_factors, first_row
from nqs.min_sr import MinSR, solve_centred
from nqs.natural_gradient import Batch, NaturalGradient, StochasticReconfiguration
from nqs.parallel import Communicator
from nqs.parameters import RealView, n_components

SHIFT = 0.013
N_SAMPLES = 53

derivatives = eqx.filter_jit(log_derivatives)
ANSATZE = {
    "rbm": lambda: rbm(visible_bias=True),
    "rbm_complex": lambda: rbm("complex128", visible_bias=True),
    "rbm_phase": lambda: Product((rbm(visible_bias=True), Phase(rbm(seed=1)))),
    "ffn_phase": lambda: feed_forward("tanh", phase=True, widths=(4, 3)),
    "flax_complex": lambda: netket_rbm(complex),
}


def samples(n_sites: int = N_SITES, n: int = N_SAMPLES) -> jax.Array:
    return jnp.asarray(np.random.default_rng(11).choice([-1, 1], (n, n_sites)), jnp.int8)


def sampled_energies(ansatz, x) -> np.ndarray:
    return np.asarray(all_local_energies(HAMILTONIANS["ising_ring"], ansatz, x, len(x)))


def batch_of(ansatz, x, energies, chunk_size: int) -> Batch:
    """What a solver is given, from the definitions of the means and the force."""
    view = RealView(ansatz)
    theta = view.flatten(ansatz)
    o = np.asarray(derivatives(view, theta, x))
    e = np.asarray(energy_components(jnp.asarray(energies), o.shape[1]))
    delta_e = e - e.mean(axis=0)
    force = np.einsum("xc,xck->k", delta_e, o) / len(x)
    return Batch(0, view, theta, x, delta_e, o.mean(axis=0), force, len(x), chunk_size)


def direction(ansatz, x, energies, solver, chunk_size: int, last=None) -> np.ndarray:
    return solver.direction(Communicator(), batch_of(ansatz, x, energies, chunk_size), last)


def definition(ansatz, x, energies, shift: float = SHIFT) -> np.ndarray:
    """(Re⟨ΔO†ΔO⟩ + λ)⁻¹ Re⟨ΔO†ΔE⟩ with complex O, from derivatives of log ψ(θ) forward in each parameter."""
    view = RealView(ansatz)
    theta = jnp.asarray(view.flatten(ansatz))
    o = np.asarray(jax.jit(jax.jacfwd(lambda t: jax.vmap(view.build(t))(x)))(theta))
    delta_o, delta_e = o - o.mean(axis=0), energies - energies.mean()
    matrix = np.real(delta_o.conj().T @ delta_o) / len(x) + shift * np.eye(view.size)
    return np.linalg.solve(matrix, np.real(delta_o.conj().T @ delta_e) / len(x))


def solvers(shift: float = SHIFT) -> dict[str, NaturalGradient]:
    return {
        "cholesky": StochasticReconfiguration(shift),
        "cg": StochasticReconfiguration(shift, "cg"),
        "minsr": MinSR(shift),
    }


@pytest.mark.parametrize(("solver", "chunk_size"), [("cholesky", 10), ("cg", 17), ("minsr", 20), ("minsr", 7)])
@pytest.mark.parametrize("name", ANSATZE)
def test_direction_is_that_of_the_definition(name, solver, chunk_size, monkeypatch):
    monkeypatch.setattr(nqs.gram, "BLOCK", 2 * chunk_size * 8 * 2 * 20)
    monkeypatch.setattr(nqs.gram, "AT_ONCE", chunk_size)
    ansatz, x = ANSATZE[name](), samples()
    energies = sampled_energies(ansatz, x)
    expected = definition(ansatz, x, energies)
    found = direction(ansatz, x, energies, solvers()[solver], chunk_size)
    assert np.linalg.norm(found - expected) < 1e-8 * np.linalg.norm(expected)


def test_complex_parameters_solve_the_hermitian_equation():
    """O of log ψ = a·x + Σ log cosh θ is (x_i tanh θ_j, tanh θ_j, x_i); S_kl = ⟨ΔO_k* ΔO_l⟩ is complex."""
    ansatz, x = ANSATZE["rbm_complex"](), samples()
    energies = sampled_energies(ansatz, x)
    tanh = np.tanh(x @ np.asarray(ansatz.weights) + np.asarray(ansatz.hidden_bias))
    o = np.concatenate([np.einsum("xi,xj->xij", x, tanh).reshape(len(x), -1), tanh, x], axis=1)
    delta_o, delta_e = o - o.mean(axis=0), energies - energies.mean()
    matrix = delta_o.conj().T @ delta_o / len(x) + SHIFT * np.eye(o.shape[1])
    expected = np.linalg.solve(matrix, delta_o.conj().T @ delta_e / len(x))
    found = RealView(ansatz).named(direction(ansatz, x, energies, solvers()["cholesky"], 20))
    joined = np.concatenate([found[name].ravel() for name in ("weights", "hidden_bias", "visible_bias")])
    np.testing.assert_allclose(joined, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("solver", solvers())
@pytest.mark.parametrize("n_sites", [2, 3])
def test_fewer_parameters_than_row_blocks(n_sites, solver):
    ansatz = RBM(n_sites, 1 / n_sites, key=jax.random.key(0), stddev=0.5)
    assert RealView(ansatz).size == n_sites + 1
    x = samples(n_sites)
    energies = np.random.default_rng(2).normal(size=len(x))
    found = direction(ansatz, x, energies, solvers()[solver], 10)
    np.testing.assert_allclose(found, definition(ansatz, x, energies), rtol=1e-8)


def test_solvers_agree_where_the_matrix_is_nearly_singular():
    """More parameters than samples: only the diagonal shift makes S invertible."""
    ansatz, x = ANSATZE["rbm_complex"](), samples(n=20)
    energies = sampled_energies(ansatz, x)
    assert RealView(ansatz).size > n_components(ansatz, Spins(N_SITES)) * len(x)
    expected = definition(ansatz, x, energies, shift=1e-4)
    for solver in solvers(1e-4).values():
        found = direction(ansatz, x, energies, solver, 8)
        assert np.linalg.norm(found - expected) < 1e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize("name", ["rbm", "rbm_complex", "rbm_phase", "ffn_phase"])
def test_factors_of_dense_layers_hold_every_log_derivative(name):
    """‖O‖² = Σ_layers ‖a‖²‖g‖² for each component."""
    ansatz, x = ANSATZE[name](), samples(n=5)
    view = RealView(ansatz)
    o = np.asarray(derivatives(view, view.flatten(ansatz), x))
    for i in range(len(x)):
        factors = dense_factors(ansatz, x[i])
        norms = sum(np.sum(np.abs(a) ** 2) * np.sum(np.abs(g) ** 2, axis=1) for a, g in factors)
        np.testing.assert_allclose(norms, np.sum(o[i] ** 2, axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", ["rbm_complex", "flax_complex"])
def test_spring_keeps_what_the_samples_do_not_see(name):
    """(S + λ)φ = F + λμφ′, and without a last direction the step of minSR."""
    ansatz, x = ANSATZE[name](), samples(n=20)
    energies = sampled_energies(ansatz, x)
    last = np.random.default_rng(5).normal(size=RealView(ansatz).size)
    batch = batch_of(ansatz, x, energies, 8)
    o = np.asarray(derivatives(batch.view, batch.theta, x))
    delta_o = (o - batch.mean_o).reshape(-1, batch.view.size)
    matrix = delta_o.T @ delta_o / len(x) + SHIFT * np.eye(batch.view.size)
    expected = np.linalg.solve(matrix, batch.force + SHIFT * 0.9 * last)
    for sizes in ((1000, 999), (999, 1000), (10**5, 10**6)):
        spring, _ = nqs.spring(diagonal_shift=SHIFT, momentum=0.9).natural.choose(*sizes)
        np.testing.assert_allclose(spring.direction(Communicator(), batch, last), expected, rtol=0, atol=1e-8)
        zero = spring.direction(Communicator(), batch, np.zeros_like(last))
        np.testing.assert_allclose(zero, definition(ansatz, x, energies), rtol=0, atol=1e-8 * np.abs(zero).max())


def test_spring_keeps_as_much_where_lambda_is_raised():
    """S + λ has no Cholesky factor with λ = 1e-17: the memory is that of the λ that is used, in both spaces."""
    ansatz, x = ANSATZE["rbm_complex"](), samples(n=20)
    batch = batch_of(ansatz, x, sampled_energies(ansatz, x), 8)
    last = np.random.default_rng(5).normal(size=batch.view.size)
    found = [
        solver.direction(Communicator(), batch, last)
        for solver in (MinSR(1e-17, 0.9), StochasticReconfiguration(1e-17, momentum=0.9))
    ]
    assert np.linalg.norm(found[0] - found[1]) < 0.02 * np.linalg.norm(0.9 * last)


@pytest.mark.parametrize("size", [1, 2, 3, 16])
def test_ranks_have_the_same_area_of_the_matrix_of_samples(size):
    n = 1000
    first = np.array([first_row(n, rank, size) for rank in range(size + 1)])
    assert (first[0], first[-1]) == (0, n)
    areas = np.array([np.sum(n - np.arange(a, b)) for a, b in itertools.pairwise(first)])
    np.testing.assert_allclose(areas, np.sum(areas) / size, rtol=0.05)


def test_the_automatic_choice_takes_the_smaller_matrix():
    natural = nqs.auto(diagonal_shift=SHIFT).natural
    choices = [natural.choose(*sizes) for sizes in [(1000, 999), (999, 1000), (10**5, 10**6)]]
    names = [(type(choice).__name__, getattr(choice, "solver", None)) for choice, _ in choices]
    assert names == [("StochasticReconfiguration", "cholesky"), ("MinSR", None), ("StochasticReconfiguration", "cg")]
    assert all(choice.diagonal_shift == SHIFT for choice, _ in choices)
    assert "999" in choices[1][1]


def test_a_schedule_of_the_diagonal_shift_is_followed():
    ansatz, x = ANSATZE["rbm"](), samples()
    energies = sampled_energies(ansatz, x)
    batch = batch_of(ansatz, x, energies, 20)
    schedule = optax.schedules.linear_schedule(1.0, 0.01, 10)
    for solver in (MinSR(schedule), StochasticReconfiguration(schedule)):
        for step, shift in ((0, 1.0), (5, 0.505), (20, 0.01)):
            found = solver.direction(Communicator(), batch._replace(step=step))
            np.testing.assert_allclose(found, definition(ansatz, x, energies, shift), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_a_step_is_half_that_of_netket(dtype):
    """On the same samples; NetKet applies (S + λ)⁻¹ to the energy gradient 2F."""
    ansatz = rbm(dtype, visible_bias=True)
    hilbert = nk.hilbert.Spin(0.5, N_SITES)
    model = nk.models.RBM(alpha=1, param_dtype=dtype)
    state = nk.vqs.MCState(nk.sampler.ExactSampler(hilbert), model, n_samples=64, seed=1, sampler_seed=2)
    state.parameters = {
        "Dense": {"kernel": ansatz.weights, "bias": ansatz.hidden_bias},
        "visible_bias": ansatz.visible_bias,
    }
    operator = nk.operator.Ising(hilbert, nk.graph.Chain(N_SITES), h=0.7, J=-1.1)
    x = jnp.asarray(state.samples, jnp.int8).reshape(-1, N_SITES)
    energies = np.asarray(all_local_energies(TransverseIsing(RING, 1.1, 0.7), ansatz, x, len(x)))
    _, gradient = state.expect_and_grad(operator)
    holomorphic = True if dtype == "complex128" else None
    matrix = nk.optimizer.qgt.QGTJacobianDense(state, diag_shift=SHIFT, holomorphic=holomorphic)
    solution, _ = matrix.solve(nk.optimizer.solver.cholesky, gradient)
    found = RealView(ansatz).named(direction(ansatz, x, energies, solvers()["cholesky"], 64))
    theirs = {"weights": solution["Dense"]["kernel"], "hidden_bias": solution["Dense"]["bias"]}
    for name, value in (theirs | {"visible_bias": solution["visible_bias"]}).items():
        np.testing.assert_allclose(2 * found[name], value, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["rbm", "rbm_complex", "ffn_phase", "flax_complex"])
def test_directions_on_a_device(name, monkeypatch):
    """What a device computes in the place of BLAS and LAPACK, here by the same processor."""
    ansatz, x = ANSATZE[name](), samples()
    energies = sampled_energies(ansatz, x)
    expected = definition(ansatz, x, energies)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    found = direction(ansatz, x, energies, solvers()["minsr"], 20)
    assert np.linalg.norm(found - expected) < 1e-8 * np.linalg.norm(expected)


@pytest.mark.parametrize("solver", ["cholesky", "minsr"])
def test_a_matrix_without_a_factor_is_raised_to_its_rounding(solver):
    """Samples that are there twice, and no diagonal shift: the direction of least norm."""
    ansatz, x = ANSATZE["rbm"](), jnp.tile(samples()[:8], (4, 1))
    energies = np.tile(np.random.default_rng(1).normal(size=8), 4)
    view = RealView(ansatz)
    o = np.asarray(jax.jit(jax.jacfwd(lambda t: jax.vmap(view.build(t))(x)))(jnp.asarray(view.flatten(ansatz))))
    expected = np.linalg.lstsq(o - o.mean(axis=0), energies - energies.mean(), rcond=1e-9)[0]
    found = direction(ansatz, x, energies, solvers(-1e-14)[solver], 20)
    assert np.linalg.norm(found - expected) < 1e-2 * np.linalg.norm(expected)


def test_the_matrix_of_samples_is_solved_as_well_on_a_device(monkeypatch):
    """The same weights, those of T and its mean; a matrix that is not positive definite has no factor on either."""
    o, residuals = np.random.default_rng(0).normal(size=(12, 5)), np.random.default_rng(1).normal(size=(6, 2))
    gram, centre = o @ o.T, np.kron(np.eye(6) - 1 / 6, np.eye(2))
    matrix = centre @ gram @ centre / 6 + 0.1 * np.eye(12)
    expected = centre @ np.linalg.solve(matrix, residuals.ravel() / 6)
    gram[np.tril_indices(12, -1)] = np.nan
    host, failed = solve_centred(gram.copy(), residuals, 0.1), solve_centred(gram.copy(), residuals, -0.1)
    np.testing.assert_allclose(host.ravel(), expected, rtol=1e-10)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    np.testing.assert_allclose(solve_centred(gram.copy(), residuals, 0.1), host, rtol=1e-10, atol=1e-14)
    assert np.all(np.isnan(failed))
    assert np.all(np.isnan(solve_centred(gram, residuals, -0.1)))

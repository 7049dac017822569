"""The energy gradient against finite differences of the exact energy, and sums over samples against arrays."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import ANSATZE, HAMILTONIANS, N_SITES, rbm, wave_function

from hamiltonians.exact import all_states, sparse_matrix
from hamiltonians.space import Spins
from nqs.gradient import energy_components, gradient_from_sums, gradient_sums, log_derivatives
from nqs.parameters import RealView, n_components

STEP = 1e-4

# A part of the gradient that is wrong shows along every random direction.
N_DIRECTIONS = 20

sums_over_samples = eqx.filter_jit(gradient_sums)
derivatives = eqx.filter_jit(log_derivatives)


def exact_gradient(hamiltonian, ansatz, shift: float = 0.0) -> np.ndarray:
    """The gradient from the sums Σ_x |ψ(x)|² e_c(x) O_kc(x) and Σ_x |ψ(x)|² O_kc(x) over all configurations."""
    view = RealView(ansatz)
    states = all_states(hamiltonian.space)
    psi = wave_function(ansatz, states)
    probabilities = np.abs(psi) ** 2
    energies = jnp.asarray(sparse_matrix(hamiltonian) @ psi / psi - shift)
    components = n_components(ansatz, Spins(N_SITES))
    e = np.asarray(energy_components(energies, components))
    o = np.asarray(derivatives(view, view.flatten(ansatz), states))
    assert o.shape == (len(states), components, view.size)
    products = np.einsum("x,xc,xck->k", probabilities, e, o)
    sums = np.concatenate([products[None], np.einsum("x,xck->ck", probabilities, o)])
    return gradient_from_sums(sums, probabilities @ e, 1)


@eqx.filter_jit
def log_psi_of_each(view, thetas, states):
    return jax.vmap(lambda theta: jax.vmap(view.build(theta))(states))(thetas)


def finite_differences(hamiltonian, ansatz, directions) -> np.ndarray:
    """The slopes of ⟨ψ|H|ψ⟩/⟨ψ|ψ⟩ along directions of parameter space, of fourth order in the step."""
    view = RealView(ansatz)
    shifts = STEP * np.array([1.0, -1.0, 2.0, -2.0])[:, None, None] * directions
    thetas = jnp.asarray((view.flatten(ansatz) + shifts).reshape(-1, view.size))
    psi = np.exp(np.asarray(log_psi_of_each(view, thetas, all_states(hamiltonian.space)))).T
    energies = np.real(np.sum(psi.conj() * (sparse_matrix(hamiltonian) @ psi), axis=0)) / np.sum(
        np.abs(psi) ** 2, axis=0
    )
    one, minus_one, two, minus_two = energies.reshape(4, -1)
    return (8 * (one - minus_one) - (two - minus_two)) / (12 * STEP)


def assert_is_the_slope(hamiltonian, ansatz) -> None:
    """Along random unit vectors of all real and all imaginary parts."""
    gradient = exact_gradient(hamiltonian, ansatz)
    assert np.linalg.norm(gradient) > 0.1
    directions = np.random.default_rng(7).normal(size=(N_DIRECTIONS, gradient.size))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    slopes = finite_differences(hamiltonian, ansatz, directions)
    np.testing.assert_allclose(directions @ gradient, slopes, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("ansatz", ANSATZE)
def test_gradient_is_the_slope_of_the_exact_energy(ansatz):
    assert_is_the_slope(HAMILTONIANS["ising_ring"], ANSATZE[ansatz]())


@pytest.mark.parametrize(
    ("hamiltonian", "ansatz"), [("heisenberg", "rbm_complex_visible"), ("sherrington_kirkpatrick", "ffn_tanh_phase")]
)
def test_gradient_in_a_sector_and_of_a_glass(hamiltonian, ansatz):
    assert_is_the_slope(HAMILTONIANS[hamiltonian], ANSATZE[ansatz]())


@pytest.mark.parametrize("ansatz", ["rbm_visible", "ffn_gelu_phase"])
def test_a_shift_of_the_energy_changes_nothing(ansatz):
    model, hamiltonian = ANSATZE[ansatz](), HAMILTONIANS["ising_ring"]
    expected = exact_gradient(hamiltonian, model)
    np.testing.assert_allclose(exact_gradient(hamiltonian, model, shift=57.3), expected, rtol=1e-10, atol=1e-12)


def netket_gradient(hamiltonian, dtype: str) -> tuple[np.ndarray, dict]:
    """NetKet's gradient of the same RBM, by the names of our parameters, and ours."""
    import netket as nk

    ansatz = rbm(dtype, visible_bias=True)
    hilbert = nk.hilbert.Spin(0.5, N_SITES)
    state = nk.vqs.FullSumState(hilbert, nk.models.RBM(alpha=1, param_dtype=dtype))
    state.parameters = {
        "Dense": {"kernel": ansatz.weights, "bias": ansatz.hidden_bias},
        "visible_bias": ansatz.visible_bias,
    }
    operator = nk.operator.Ising(hilbert, nk.graph.Chain(N_SITES), h=float(hamiltonian.transverse_field[0]), J=-1.1)
    operator = operator.to_local_operator()
    for site in range(N_SITES):
        operator = operator - float(hamiltonian.longitudinal_field[0]) * nk.operator.spin.sigmaz(hilbert, site)
    _, gradient = state.expect_and_grad(operator)
    dense = gradient["Dense"]
    theirs = {
        "weights": dense["kernel"],
        "hidden_bias": dense["bias"],
        "visible_bias": gradient["visible_bias"],
    }
    return RealView(ansatz).named(exact_gradient(hamiltonian, ansatz)), theirs


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradient_is_that_of_netket(dtype):
    """For complex parameters x + iy NetKet's gradient is ∂E/∂x + i ∂E/∂y = 2⟨O* ΔE⟩, without the conjugate of JAX.

    Ours has the same two parts: 2 Re⟨ΔE* O⟩ + 2i Re⟨ΔE* iO⟩ = 2 Re⟨O* ΔE⟩ + 2i Im⟨O* ΔE⟩.
    """
    ours, theirs = netket_gradient(HAMILTONIANS["ising_ring"], dtype)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=1e-10)


@pytest.mark.parametrize("ansatz", ["rbm_complex_visible", "ffn_log_cosh"])
@pytest.mark.parametrize("chunk_size", [1, 7, 100])
def test_sums_in_chunks_are_those_of_the_whole(ansatz, chunk_size):
    model = ANSATZE[ansatz]()
    view = RealView(model)
    theta = view.flatten(model)
    rng = np.random.default_rng(3)
    components = n_components(model, Spins(N_SITES))
    x = jnp.asarray(rng.choice([-1, 1], (23, N_SITES)), jnp.int8)
    e = rng.normal(size=(23, components))
    o = np.asarray(derivatives(view, theta, x))
    expected = np.concatenate([np.einsum("xc,xck->k", e, o)[None], o.sum(axis=0)])
    sums = np.asarray(sums_over_samples(view, theta, x, jnp.asarray(e), chunk_size))
    np.testing.assert_allclose(sums, expected, rtol=1e-11, atol=1e-12)
    gradient = gradient_from_sums(sums, e.mean(axis=0), 23)
    centred = np.einsum("xc,xck->k", e - e.mean(axis=0), o) * 2 / 23
    np.testing.assert_allclose(gradient, centred, rtol=1e-10, atol=1e-12)

"""Parameters as a vector of real numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import ANSATZE, N_SITES, feed_forward, rbm

from hamiltonians.space import Spins
from nqs.parameters import RealView, log_psi_components, n_components


@pytest.mark.parametrize("name", ["rbm", "rbm_complex_visible", "ffn_tanh_phase", "flax_complex"])
def test_there_and_back(name):
    ansatz = ANSATZE[name]()
    view = RealView(ansatz)
    theta = view.flatten(ansatz)
    assert theta.shape == (view.size,)
    assert theta.dtype == np.float64
    rebuilt = view.build(jnp.asarray(theta))
    assert jax.tree.structure(rebuilt) == jax.tree.structure(ansatz)
    for one, other in zip(jax.tree.leaves(rebuilt), jax.tree.leaves(ansatz), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(view.from_named(view.named(theta)), theta)
    other = theta + np.random.default_rng(0).normal(size=theta.shape)
    np.testing.assert_array_equal(view.flatten(view.build(jnp.asarray(other))), other)


def test_names_and_values_are_those_of_the_ansatz():
    ansatz = rbm("complex128", visible_bias=True)
    named = RealView(ansatz).named(RealView(ansatz).flatten(ansatz))
    assert sorted(named) == ["hidden_bias", "visible_bias", "weights"]
    for name, value in named.items():
        np.testing.assert_array_equal(value, getattr(ansatz, name))
    ansatz = feed_forward("tanh", phase=True)
    named = RealView(ansatz).named(RealView(ansatz).flatten(ansatz))
    assert sorted(named) == ["layers/0/bias", "layers/0/weight", "layers/1/bias", "layers/1/weight", "output/weight"]
    np.testing.assert_array_equal(named["layers/1/weight"], ansatz.layers[1].weight)


def test_the_vector_is_double_and_the_network_keeps_its_precision():
    ansatz = rbm("complex64")
    view = RealView(ansatz)
    theta = view.flatten(ansatz) + 1e-12
    assert theta.dtype == np.float64
    assert view.build(jnp.asarray(theta)).weights.dtype == jnp.complex64
    assert view.named(theta)["weights"].dtype == np.complex128


def test_parameters_of_another_ansatz_are_refused():
    ansatz = rbm()
    view = RealView(ansatz)
    named = view.named(view.flatten(ansatz))
    with pytest.raises(ValueError, match="no parameter 'weights'"):
        view.from_named({"hidden_bias": named["hidden_bias"]})
    with pytest.raises(ValueError, match=r"'weights' has shape \(5, 6\)"):
        view.from_named(named | {"weights": named["weights"][:5]})
    with pytest.raises(ValueError, match="'visible_bias' is not in this ansatz"):
        view.from_named(named | {"visible_bias": np.zeros(6)})


def test_complex_parameters_of_a_real_ansatz_are_refused():
    named = RealView(rbm("complex128")).named(RealView(rbm("complex128")).flatten(rbm("complex128")))
    with pytest.raises(ValueError, match="'weights' is complex"):
        RealView(rbm()).from_named(named)


def test_real_parameters_of_a_complex_ansatz_have_no_imaginary_part():
    view = RealView(rbm("complex128"))
    named = RealView(rbm()).named(RealView(rbm()).flatten(rbm()))
    for name, value in view.named(view.from_named(named)).items():
        np.testing.assert_array_equal(value, named[name])


def test_components_are_the_real_and_imaginary_part():
    x = jnp.asarray([1, -1, 1, 1, -1, -1], jnp.int8)
    for name in ("rbm_visible", "ffn_silu"):
        ansatz = ANSATZE[name]()
        assert n_components(ansatz, Spins(N_SITES)) == 1
        assert log_psi_components(ansatz, x).tolist() == [float(ansatz(x))]
    for name in ("rbm_complex_visible", "ffn_tanh_phase"):
        ansatz = ANSATZE[name]()
        assert n_components(ansatz, Spins(N_SITES)) == 2
        assert log_psi_components(ansatz, x).tolist() == [float(ansatz(x).real), float(ansatz(x).imag)]

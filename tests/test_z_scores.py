"""Error bars of measured energies over many independent short runs at frozen parameters, whose energy is exact."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import wave_function

import nqs
from hamiltonians.exact import all_states, sparse_matrix
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice

N_RUNS = 400
RING = TransverseIsing(Lattice("chain", (6,)), transverse_field=0.6, longitudinal_field=0.4)


def ferromagnet(weight: float) -> nqs.RBM:
    """ψ = cosh(w Σ x): between its two modes, whose energies differ, chains of single flips rarely go for large w."""
    ansatz = nqs.RBM(6, 1 / 6, key=jax.random.key(0))
    return eqx.tree_at(lambda a: (a.weights, a.hidden_bias), ansatz, (jnp.full((6, 1), weight), jnp.zeros(1)))


def exact_energy(ansatz) -> float:
    psi = wave_function(ansatz, all_states(RING.space))
    return float(np.vdot(psi, sparse_matrix(RING) @ psi).real)


@pytest.mark.parametrize(
    ("weight", "n_chains", "per_chain", "tau"),
    [
        (0.3, 8, 120, (1, 3)),
        (0.55, 8, 600, (9, 40)),
        pytest.param(0.55, 32, 120, (9, 40), marks=pytest.mark.slow),
    ],
    ids=["few_chains", "few_slow_chains", "many_slow_chains"],
)
def test_z_scores_of_measured_energies(weight, n_chains, per_chain, tau):
    """z = (E − E_exact)/error has mean 0 and standard deviation 1, with a strong autocorrelation (τ ≫ 1) as well."""
    ansatz = ferromagnet(weight)
    sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=n_chains, n_samples=n_chains * per_chain)
    exact, z, taus = exact_energy(ansatz), [], []
    for seed in range(N_RUNS):
        vmc = nqs.VMC(RING, ansatz, sampler, nqs.sgd(0.0), seed=seed, chunk_size=8000)
        measured = vmc.measure(vmc.initial_state(), sampler.n_samples, 300)
        assert measured is not None
        z.append((measured["energy"] - exact) / measured["energy_error"])
        taus.append(measured["tau"])
    assert tau[0] < np.median(taus) < tau[1]
    assert abs(np.mean(z)) < 3 / np.sqrt(N_RUNS)
    assert abs(np.std(z) - 1) < 0.15

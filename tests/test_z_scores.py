"""Error bars of energies, variances and V-scores over many independent short runs at frozen parameters."""

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
from nqs.local_energy import local_energies
from nqs.measure import measure_energy
from nqs.parallel import Communicator
from nqs.sampler.base import sample
from nqs.sampler.passes import SamplingPass
from nqs.statistics import series_statistics

N_RUNS = 400
RING = TransverseIsing(Lattice("chain", (6,)), transverse_field=0.6, longitudinal_field=0.4)


def ferromagnet(weight: float) -> nqs.RBM:
    """ψ = cosh(w Σ x): between its two modes, whose energies differ, chains of single flips rarely go for large w."""
    ansatz = nqs.RBM(6, 1 / 6, key=jax.random.key(0))
    return eqx.tree_at(lambda a: (a.weights, a.hidden_bias), ansatz, (jnp.full((6, 1), weight), jnp.zeros(1)))


def exact_moments(ansatz) -> dict[str, float]:
    psi = wave_function(ansatz, all_states(RING.space))
    h_psi = sparse_matrix(RING) @ psi
    energy = np.vdot(psi, h_psi).real
    variance = np.vdot(h_psi, h_psi).real - energy**2
    return {"energy": energy, "variance": variance, "v_score": 6 * variance / energy**2}


def assert_standard(z: np.ndarray) -> None:
    """z = (value − exact)/error has mean 0 and standard deviation 1."""
    assert abs(np.mean(z)) < 3 / np.sqrt(len(z))
    assert abs(np.std(z) - 1) < 0.15


@pytest.mark.parametrize(
    ("weight", "per_chain", "names"),
    [
        pytest.param(0.3, 60, ("energy", "variance", "v_score"), id="fast"),
        pytest.param(0.55, 600, ("energy",), marks=pytest.mark.slow, id="slow"),
    ],
)
def test_z_scores_of_measured_energies(weight, per_chain, names):
    ansatz = ferromagnet(weight)
    sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=8, n_samples=8 * per_chain)
    exact, z = exact_moments(ansatz), []
    for seed in range(N_RUNS):
        sampling = SamplingPass(RING.space, sampler, Communicator(), sampler.n_samples, 300)
        measured = measure_energy(RING, ansatz, sampling, jax.random.key(seed), 8000)
        assert measured is not None
        z.append([(measured[name] - exact[name]) / measured[f"{name}_error"] for name in names])
    for of_number in np.array(z).T:
        assert_standard(of_number)


@pytest.mark.slow
@pytest.mark.parametrize(("n_chains", "per_chain"), [(8, 600), (32, 120)], ids=["few_chains", "many_chains"])
def test_z_scores_of_slow_chains(n_chains, per_chain):
    """Strong autocorrelation, τ ≫ 1: the chains of all runs at once, which no run shares with another."""
    ansatz, all_chains = ferromagnet(0.55), n_chains * N_RUNS
    sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=all_chains, n_samples=all_chains * per_chain)
    chains = jnp.arange(all_chains)
    x = sampler.start(RING.space, jax.random.key(0), chains)
    samples, _, _ = sample(sampler, ansatz, jax.random.key(1), chains, x, jnp.asarray(300))
    energies = np.asarray(local_energies(RING, ansatz, samples, 8000)).reshape(N_RUNS, n_chains, per_chain)
    found = [series_statistics(series) for series in energies]
    assert 9 < np.median([statistics.tau for statistics in found]) < 40
    exact = exact_moments(ansatz)["energy"]
    assert_standard(np.array([(statistics.mean.real - exact) / statistics.error for statistics in found]))

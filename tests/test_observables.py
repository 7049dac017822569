"""Observables against dense operators, and their error bars over many independent runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pair_sums
import pytest
from series import ar1
from systems import HAMILTONIANS, RING, rbm, wave_function

import nqs
from hamiltonians.exact import all_states
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import EdgeList, Lattice
from nqs.ansatz.jastrow import Jastrow
from nqs.blocks import Blocks, jackknife
from nqs.observables import LocalObservables, estimates, local_observables
from nqs.parallel import Communicator
from nqs.sampler.base import start_chains
from nqs.sampler.passes import SamplingPass
from nqs.statistics import block_sizes, blocked_error

N_RUNS, N_CHAINS, PER_CHAIN = 400, 32, 48

SYSTEMS = HAMILTONIANS | {
    "heisenberg_free_marshall": Heisenberg(RING, total_sz=None, marshall=True),
    "xxz_square": Heisenberg(Lattice("square", (2, 4)), total_sz=1.0, anisotropy=1.4),
    "open_chain": TransverseIsing(Lattice("chain", (5,), False), -1.0),
    "edges": TransverseIsing(EdgeList(4, ((0, 1), (1, 2), (2, 0), (2, 3)))),
    "triangular": TransverseIsing(Lattice("triangular", (3, 3))),
    "honeycomb": Heisenberg(Lattice("honeycomb", (3, 3)), total_sz=7.0),
    "kagome": Heisenberg(Lattice("kagome", (3, 3)), total_sz=11.5),
    "open_square": Heisenberg(Lattice("square", (2, 3), False)),
    "open_triangular": TransverseIsing(Lattice("triangular", (2, 3), False)),
    "open_honeycomb": TransverseIsing(Lattice("honeycomb", (2, 2), False)),
    "open_kagome": TransverseIsing(Lattice("kagome", (1, 2), False)),
}


LONG = ("kagome", "triangular", "open_chain")


def exact(hamiltonian, ansatz) -> dict[str, np.ndarray]:
    """⟨ψ|A|ψ⟩ of dense operators A, in the frame that is not turned by a Marshall rotation."""
    states = all_states(hamiltonian.space)
    n = states.shape[1]
    s = states * (0.5 if isinstance(hamiltonian, Heisenberg) else 1.0)
    psi = wave_function(ansatz, states)
    if getattr(hamiltonian, "marshall", False):
        up_on_one = ((states == 1) & (hamiltonian.lattice.sublattices() == 1)).sum(axis=1)
        psi = psi * (-1.0) ** up_on_one
    p = np.abs(psi) ** 2
    values = {"local_magnetisation": p @ s}
    lattice = getattr(hamiltonian, "lattice", None)
    sublattices = None if lattice is None else lattice.sublattices()
    patterns = {"magnetisation": np.ones(n)} if hamiltonian.space.total_sz is None else {}
    if sublattices is not None:
        patterns["staggered_magnetisation"] = np.where(sublattices == 0, 1, -1)
    for name, pattern in patterns.items():
        m = s @ pattern / n
        moments = {"": m, "_abs": np.abs(m), "_squared": m**2, "_fourth": m**4}
        values |= {name + suffix: p @ moment for suffix, moment in moments.items()}
    if hamiltonian.space.total_sz is None:
        place = {state.tobytes(): number for number, state in enumerate(states)}
        scale = 0.5 if isinstance(hamiltonian, Heisenberg) else 1.0
        flips = [[place[(x * (1 - 2 * np.eye(n, dtype=np.int8)[i])).tobytes()] for x in states] for i in range(n)]
        values["transverse_magnetisation"] = scale * sum(np.vdot(psi, psi[flip]).real for flip in flips) / n
    if isinstance(lattice, Lattice):
        zz = np.einsum("x,xi,xj->ij", p, s, s)
        values["structure_factor"] = pair_sums.structure_factor(lattice, zz)
        if lattice.periodic:
            values["correlation"] = pair_sums.correlation(lattice, zz)
    return values


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in SYSTEMS]
)
def test_exact_averages_are_expectations_of_dense_operators(name):
    hamiltonian = SYSTEMS[name]
    ansatz = rbm("complex128", visible_bias=True, n_sites=hamiltonian.space.n_sites, stddev=0.4)
    states = all_states(hamiltonian.space)
    local = local_observables(LocalObservables(hamiltonian), ansatz, jnp.asarray(states[None]), 7)
    p = np.abs(wave_function(ansatz, states)) ** 2
    expected = exact(hamiltonian, ansatz)
    assert local.keys() == expected.keys()
    for observable, values in local.items():
        average = np.tensordot(p, np.asarray(values[0]), axes=1)
        np.testing.assert_allclose(average, expected[observable], rtol=1e-11, atol=1e-12, err_msg=observable)


@pytest.mark.parametrize(
    ("hamiltonian", "is_staggered"),
    [
        (TransverseIsing(RING), False),
        (TransverseIsing(RING, -1.0, longitudinal_field=9.0), True),
        (TransverseIsing(Lattice("chain", (5,)), -1.0), False),
        (Heisenberg(RING), True),
        (Heisenberg(RING, total_sz=None), True),
        (Heisenberg(RING, -1.0, total_sz=None), False),
        (HAMILTONIANS["sherrington_kirkpatrick"], False),
    ],
)
def test_the_order_that_the_binder_cumulant_is_of(hamiltonian, is_staggered):
    local = LocalObservables(hamiltonian)
    assert local.is_staggered == is_staggered
    n_sites = hamiltonian.space.n_sites
    x = jnp.asarray(all_states(hamiltonian.space)[None, :20])
    values = local_observables(local, rbm(n_sites=n_sites), x, 20)
    blocks = Blocks(1, x.shape[1])
    blocks.add(jax.tree.map(np.asarray, values))
    sums = blocks.gathered(Communicator())
    found = estimates(local, sums, blocks.sizes)["binder_cumulant"]
    assert ("staggered" in found.long_name) == is_staggered


def test_z_scores_of_all_observables():
    """400 independent runs at once: z = (mean − exact)/error has mean 0 and standard deviation 1 for every number."""
    hamiltonian = TransverseIsing(RING, 1.0, 0.7)
    ansatz = Jastrow(6, key=jax.random.key(4), dtype="complex128", visible_bias=True, stddev=0.15)
    expected = exact(hamiltonian, ansatz)
    squared, fourth = expected["magnetisation_squared"], expected["magnetisation_fourth"]
    expected["binder_cumulant"] = 1 - fourth / (3 * squared**2)
    local, all_chains = LocalObservables(hamiltonian), N_RUNS * N_CHAINS
    sampler = nqs.Metropolis(nqs.LocalFlip(), all_chains, all_chains * PER_CHAIN)
    x = start_chains(hamiltonian.space, jax.random.key(1), jnp.arange(all_chains))
    blocks = Blocks(N_CHAINS, PER_CHAIN)
    sampling = SamplingPass(hamiltonian.space, sampler, Communicator(), sampler.n_samples, 10)
    for samples, _ in sampling.samples_from(x, ansatz, jax.random.key(2), ""):
        blocks.add(jax.tree.map(np.asarray, local_observables(local, ansatz, samples, 20000)))
    whole = blocks.gathered(Communicator())
    runs = [{name: sums[i * N_CHAINS :][:N_CHAINS] for name, sums in whole.items()} for i in range(N_RUNS)]
    found = [estimates(local, sums, blocks.sizes) for sums in runs]
    assert found[0].keys() == expected.keys()
    n_numbers = 0
    for name, value in expected.items():
        errors = np.stack([one[name].error for one in found])
        deviations = np.stack([one[name].mean for one in found]) - value
        varies = np.mean(errors, axis=0) > 0
        assert np.abs(np.where(varies, 0, deviations)).max() < 1e-12
        assert varies.sum() >= np.size(value) - 1
        z = deviations[:, varies] / errors[:, varies]
        n_numbers += z.shape[1]
        assert np.abs(z.mean(axis=0)).max() < 3 / np.sqrt(N_RUNS), name
        assert np.abs(z.std(axis=0) - 1).max() < 0.15, name
    assert n_numbers == 6 + 4 + 4 + 1 + 1 + 5 + 6


@pytest.mark.parametrize(("n_chains", "length"), [(40, 30), (8, 100), (3, 31)])
def test_the_jackknife_of_a_mean_is_blocking(n_chains, length):
    values = ar1(np.random.default_rng(0), 0.7, (n_chains, length)) + 5
    blocks = Blocks(n_chains, length)
    for part in np.array_split(values, 3, axis=1):
        blocks.add({"a": part})
    sums = blocks.gathered(Communicator())
    mean, error = jackknife(lambda means: means["a"], sums, blocks.sizes)
    assert mean == pytest.approx(values.mean(), rel=1e-13)
    sizes = block_sizes(length, len(blocks.sizes))
    is_even = np.ptp(sizes) == 0
    assert error == pytest.approx(blocked_error(sums["a"], sizes), rel=1e-12 if is_even else 0.02)


def test_the_jackknife_removes_the_bias_of_a_square():
    """The square of a mean of n samples of variance 1 is too large by 1/n; the jackknife of it is exactly unbiased."""
    values = np.random.default_rng(1).normal(size=(3000, 32, 1))
    found = [jackknife(lambda means: means["a"] ** 2, {"a": run}, np.array([1]))[0] for run in values]
    assert abs(np.mean(found)) < 4 * np.sqrt(2) / 32 / np.sqrt(3000)
    assert np.mean(values.mean(axis=1) ** 2) == pytest.approx(1 / 32, rel=0.2)


def test_one_block_has_no_error():
    value, error = jackknife(lambda means: means["a"], {"a": np.ones((1, 1, 2))}, np.array([1]))
    np.testing.assert_array_equal(value, [1, 1])
    assert np.isnan(error).all()

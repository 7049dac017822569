"""Correlations and structure factors of every kind of lattice, by displacements and by pairs of sites."""

import jax
import jax.numpy as jnp
import numpy as np
import pair_sums
import pytest
from in_turn import all_ranks
from series import ar1
from systems import wave_function

import nqs
from hamiltonians.exact import all_states
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import EdgeList, Lattice
from hamiltonians.space import Spins
from nqs.ansatz.jastrow import Jastrow
from nqs.blocks import Blocks
from nqs.correlations import SiteCorrelations, correlation, structure_factor
from nqs.observables import LocalObservables, estimates, local_observables
from nqs.parallel import Communicator
from nqs.sampler.base import start_chains
from nqs.sampler.passes import SamplingPass
from nqs.statistics import blocked_error

LATTICES = [
    Lattice("chain", (5,)),
    Lattice("chain", (6,), periodic=False),
    Lattice("square", (3, 4)),
    Lattice("square", (3, 2), periodic=False),
    Lattice("cubic", (2, 3, 2)),
    Lattice("cubic", (2, 1, 3), periodic=False),
    *(Lattice(kind, (3, 4)) for kind in ("triangular", "honeycomb", "kagome")),
    *(Lattice(kind, (2, 3), periodic=False) for kind in ("triangular", "honeycomb", "kagome")),
]


@pytest.mark.parametrize("lattice", LATTICES, ids=lambda one: f"{one.kind}-{'periodic' if one.periodic else 'open'}")
def test_they_are_sums_over_pairs_at_the_positions_of_netket(lattice):
    rng = np.random.default_rng(2)
    x = rng.choice([-1.0, 1.0], (7, lattice.n_sites))
    p = rng.dirichlet(np.ones(7))
    zz = np.einsum("n,ni,nj->ij", p, x, x)
    found = np.tensordot(p, jax.vmap(lambda y: structure_factor(lattice, y))(x), axes=1)
    np.testing.assert_allclose(found, pair_sums.structure_factor(lattice, zz), rtol=1e-11, atol=1e-12)
    assert found.sum() == pytest.approx(found.size)
    assert found.flat[0] == pytest.approx(zz.sum() / len(zz))
    if lattice.periodic:
        by_shift = np.tensordot(p, jax.vmap(lambda y: correlation(lattice, y))(x), axes=1)
        np.testing.assert_allclose(by_shift, pair_sums.correlation(lattice, zz), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", ["triangular", "honeycomb", "kagome"])
def test_places_are_the_positions_of_netket(kind):
    lattice = Lattice(kind, (2, 3), periodic=False)
    vectors, positions, _, _ = pair_sums.geometry(lattice)
    mine = lattice.places() / lattice.grid * lattice.extent @ vectors
    np.testing.assert_allclose(mine - mine[0], positions - positions[0], atol=1e-12)
    lengths = np.linalg.norm(np.diff(mine[lattice.edges()], axis=1)[:, 0], axis=-1)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-12)


def sampling_pass(n_sites: int, n_chains: int, length: int, communicator: Communicator) -> SamplingPass:
    sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains, n_chains * length)
    return SamplingPass(Spins(n_sites), sampler, communicator, n_chains * length, 0)


@pytest.mark.parametrize(("n_chains", "length"), [(64, 6), (40, 5), (8, 12), (1, 40)])
def test_the_matrix_is_that_of_the_samples_on_any_number_of_ranks(n_chains, length):
    n_sites = 5
    values = ar1(np.random.default_rng(1), 0.8, (n_chains * n_sites, length)).reshape(n_chains, n_sites, length)
    x = np.where(values + np.arange(n_sites)[:, None] > 1.0, 1, -1).astype(np.int8).swapaxes(1, 2)
    found = []
    for size in {1, min(3, n_chains)}:
        for rank in reversed(all_ranks(size)):
            sums = SiteCorrelations(sampling_pass(n_sites, n_chains, length, rank), 0.5)
            for part in np.array_split(x[rank.share(n_chains)], 2, axis=1):
                sums.add(part)
            observable = sums.observable()
            assert (observable is None) == (rank.rank > 0)
        found.append(observable)
    flat = x.reshape(-1, n_sites).astype(float)
    for one in found:
        np.testing.assert_allclose(one.mean, 0.25 * flat.T @ flat / len(flat), rtol=1e-13)
        np.testing.assert_array_equal(one.error, found[0].error)
        assert list(one.axes) == ["site", "other_site"]
        assert not one.error.diagonal().any()
    products = (x[:, :, 0] * x[:, :, 3]).astype(float)
    if n_chains == 64:
        assert one.error[0, 3] == pytest.approx(
            0.25 * blocked_error(products.reshape(32, 12).sum(axis=1)[:, None], np.array([12]))
        )
    else:
        by_chain = blocked_error(products.sum(axis=1)[:, None], np.array([length])) if n_chains > 1 else np.nan
        assert n_chains == 1 or one.error[0, 3] == pytest.approx(0.25 * by_chain, rel=0.5)


def test_z_scores_of_an_open_chain():
    """400 independent runs at once: z = (mean − exact)/error has mean 0 and standard deviation 1 for every number."""
    n_runs, n_chains, per_chain, n_sites = 400, 32, 48, 4
    hamiltonian = TransverseIsing(Lattice("chain", (n_sites,), periodic=False), 1.0, 0.7)
    ansatz = Jastrow(n_sites, key=jax.random.key(4), visible_bias=True, stddev=0.2)
    states = all_states(hamiltonian.space)
    zz = np.einsum("x,xi,xj->ij", np.abs(wave_function(ansatz, states)) ** 2, states, states)
    sampler = nqs.Metropolis(nqs.LocalFlip(), n_runs * n_chains, n_runs * n_chains * per_chain)
    sampling = SamplingPass(hamiltonian.space, sampler, Communicator(), sampler.n_samples, 10)
    x = start_chains(hamiltonian.space, jax.random.key(1), jnp.arange(sampler.n_chains))
    ((samples, _),) = sampling.samples_from(x, ansatz, jax.random.key(2), "")
    local, matrices, factors = LocalObservables(hamiltonian), [], []
    for run in np.split(np.asarray(samples), n_runs):
        sums = SiteCorrelations(sampling_pass(n_sites, n_chains, per_chain, Communicator()), 1.0)
        sums.add(run)
        matrices.append(sums.observable())
        blocks = Blocks(n_chains, per_chain)
        values = local_observables(local, ansatz, jnp.asarray(run), 4096)
        blocks.add({"structure_factor": np.asarray(values["structure_factor"])})
        factors.append(estimates(local, blocks.gathered(Communicator()), blocks.sizes)["structure_factor"])
    assert_standard(matrices, zz, np.triu_indices(n_sites, 1))
    assert_standard(factors, pair_sums.structure_factor(hamiltonian.lattice, zz), np.arange(n_sites // 2 + 1))


def assert_standard(found, exact, numbers) -> None:
    z = np.array([((one.mean - exact) / np.where(one.error > 0, one.error, np.nan))[numbers] for one in found])
    assert np.abs(z.mean(axis=0)).max() < 3.3 / np.sqrt(len(z))
    assert np.abs(z.std(axis=0) - 1).max() < 0.15


@pytest.mark.parametrize(
    ("lattice", "names"),
    [
        (EdgeList(4, ((0, 1), (1, 2), (2, 0), (2, 3))), {"correlation": ("site", "other_site")}),
        (
            Lattice("kagome", (1, 2), periodic=False),
            {"correlation": ("site", "other_site"), "structure_factor": ("kx", "ky")},
        ),
        (
            Lattice("honeycomb", (3, 3)),
            {"correlation": ("sublattice_a", "sublattice_b", "dx", "dy"), "structure_factor": ("kx", "ky")},
        ),
    ],
)
def test_what_is_measured(lattice, names):
    hamiltonian = TransverseIsing(lattice)
    sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=8, n_samples=16)
    ansatz = nqs.RBM(lattice.n_sites, key=jax.random.key(0))
    vmc = nqs.VMC(hamiltonian, ansatz, sampler, nqs.sgd(0.1))
    _, found = nqs.measure_observables(vmc, ansatz, 16, 5, region=(0,))
    assert {name: tuple(found[name].axes) for name in ("correlation", "structure_factor") if name in found} == names
    for name, axes in names.items():
        assert found[name].mean.shape == found[name].error.shape == tuple(map(len, found[name].axes.values()))
        assert ("R'" in found[name].long_name) == ("sublattice_a" in axes)

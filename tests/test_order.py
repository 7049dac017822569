"""R-hat of order parameters: chains that stay in modes of one energy."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from in_turn import all_ranks
from launching import call, measured, small_result

import nqs
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import EdgeList, Lattice
from hamiltonians.spin import SpinHamiltonian
from nqs import files, results
from nqs.ansatz.base import Ansatz
from nqs.guards import measured_warnings
from nqs.measure import measure_energy
from nqs.order import OrderParameters
from nqs.parallel import Communicator
from nqs.sampler.moves import Move
from nqs.sampler.passes import SamplingPass
from nqs.statistics import chains_rhat

N_SITES = 12
RING = Lattice("chain", (N_SITES,))
RING_WITH_TRIANGLES = EdgeList(N_SITES, tuple((i, (i + d) % N_SITES) for d in (1, 2) for i in range(N_SITES)))
STRIPES = np.tile([1.0, 1.0, -1.0, -1.0], 3)


class TwoModes(Ansatz):
    """ψ = cosh(0.7 Σ p_i x_i): spins along p or against it, between which lies a weight of 10⁻⁷."""

    pattern: jax.Array

    def __call__(self, x):
        return jnp.logaddexp(0.7 * self.pattern @ x, -0.7 * self.pattern @ x)


CASES: dict[str, tuple[SpinHamiltonian, np.ndarray]] = {
    "ferromagnet": (TransverseIsing(RING), np.ones(N_SITES)),
    "neel": (Heisenberg(RING), (-1.0) ** np.arange(N_SITES)),
    "stripes": (TransverseIsing(RING), STRIPES),
    "fixed_on_triangles": (Heisenberg(RING_WITH_TRIANGLES), STRIPES),
}


def moves_of(hamiltonian: SpinHamiltonian) -> Move:
    if hamiltonian.space.total_sz is None:
        return nqs.LocalFlip()
    return nqs.Exchange(np.array([(i, j) for i in range(N_SITES) for j in range(i)]))


def measure(hamiltonian: SpinHamiltonian, ansatz: Ansatz, *moves: Move) -> dict[str, float]:
    weights = (0.9, 0.1)[: len(moves)]
    sampler = nqs.Metropolis(moves, n_chains=16, n_samples=16 * 20, weights=weights)
    sampling = SamplingPass(hamiltonian.space, sampler, Communicator(), 16 * 200, 100)
    found = measure_energy(hamiltonian, ansatz, sampling, jax.random.key(1), 4000)
    assert found is not None
    return found


@pytest.mark.parametrize("name", CASES)
def test_modes_that_moves_do_not_connect_show_in_an_order_parameter_and_not_in_the_energy(name):
    hamiltonian, pattern = CASES[name]
    ansatz = TwoModes(jnp.asarray(pattern))
    apart = measure(hamiltonian, ansatz, moves_of(hamiltonian))
    assert apart["rhat"] < 1.05
    assert apart["rhat_order"] > 1.5
    ((kind, text),) = measured_warnings(apart, -1e3)
    assert kind == "measured_rhat_order"
    assert "rarely or never go from one mode of psi to another" in text
    assert "the energy is right" in text
    together = measure(hamiltonian, ansatz, moves_of(hamiltonian), nqs.GlobalFlip())
    assert not np.isnan(together["rhat_order"])
    assert max(together["rhat"], together["rhat_order"]) < 1.1
    assert list(measured_warnings(together, -1e3)) == []
    assert together["energy"] == pytest.approx(apart["energy"], abs=5 * apart["energy_error"])


def rhat_of(x: np.ndarray, hamiltonian: SpinHamiltonian, size: int = 1) -> float:
    """Of samples, by so many ranks."""
    ranks = all_ranks(size)
    found = [OrderParameters(hamiltonian, rank) for rank in ranks]
    for part in np.array_split(x, 2, axis=1):
        for order, rank in zip(found, ranks, strict=True):
            order.add(jnp.asarray(part[rank.share(len(x))]))
    others = [order.rhat() for order in found[1:]]
    assert np.isnan(others).all()
    return found[0].rhat()


@pytest.mark.parametrize("n_sites", [12, 400])
def test_chains_that_mix_have_none(n_sites):
    """The first chain is like its own first sample, which does not matter in a chain of ten autocorrelation times."""
    x = np.random.default_rng(3).choice([-1, 1], (8, 20, n_sites)).repeat(5, axis=1).astype(np.int8)
    assert 1 <= rhat_of(x, Heisenberg(Lattice("chain", (n_sites,)))) < 1.1


@pytest.mark.parametrize("is_staggered", [False, True])
def test_a_weak_order_shows_that_the_overlap_does_not_see(is_staggered):
    """Of independent spins with means of ±0.2 the order of 100 is ±0.2 ± 0.1, the overlap of two ±0.04 ± 0.1."""
    ring = Lattice("chain", (100,))
    means = 0.2 * np.where(np.arange(8)[:, None, None] < 4, 1, -1) * ((-1.0) ** np.arange(100) if is_staggered else 1)
    x = np.where(np.random.default_rng(0).random((8, 40, 100)) < (1 + means) / 2, 1, -1).astype(np.int8)
    assert rhat_of(x, TransverseIsing(ring)) > 1.5
    assert (rhat_of(x, Heisenberg(ring)) > 1.5) == is_staggered


@pytest.mark.parametrize("hamiltonian", [TransverseIsing(RING), Heisenberg(RING_WITH_TRIANGLES)])
def test_it_does_not_depend_on_the_number_of_ranks(hamiltonian):
    x = np.random.default_rng(0).choice([-1, 1], (7, 9, N_SITES), p=[0.3, 0.7]).astype(np.int8)
    x[:3] *= -1
    assert rhat_of(x, hamiltonian) == rhat_of(x, hamiltonian, 2) == rhat_of(x, hamiltonian, 4) > 1.1


@pytest.mark.parametrize(("n_up", "expected"), [(0, np.nan), (1, np.inf), (3, np.inf), (6, np.inf), (7, np.nan)])
def test_chains_that_never_move(n_up, expected):
    x = np.ones((7, 8, N_SITES), np.int8)
    x[n_up:] = -1
    found = rhat_of(x, TransverseIsing(RING))
    np.testing.assert_equal(found, expected)
    warned = dict(measured_warnings({**measured(-1.0), "acceptance": 0.5, "rhat_order": found}, -9.0))
    assert ("measured_rhat_order" in warned) == (found == np.inf)


def test_the_smallest_passes_have_none():
    x = np.random.default_rng(0).choice([-1, 1], (5, 8, N_SITES)).astype(np.int8)
    hamiltonian = TransverseIsing(RING)
    assert np.isnan(rhat_of(x[:1], hamiltonian))
    assert np.isnan(rhat_of(x[:, :3], hamiltonian))
    assert np.isfinite(rhat_of(x[:2, :4], hamiltonian))
    np.testing.assert_equal(chains_rhat(np.zeros((4, 8))), np.nan)


def test_a_report_has_it_and_earlier_results_load_without_it(tmp_path, capsys):
    path = tmp_path / "x.h5"
    result = replace(small_result(), measured=measured(-1.0, rhat_order=np.inf))
    results.write(path, result)
    assert call("report", path) == 0
    assert "R-hat ord. inf\n" in capsys.readouterr().out
    content = results.to_group(result)
    del content.items["measured"].items["rhat_order"]
    files.write(path, content)
    found = results.read(path).measured
    assert np.isnan(found.pop("rhat_order"))
    assert found == {name: value for name, value in result.measured.items() if name != "rhat_order"}
    assert call("report", path) == 0
    assert "R-hat ord. -\n" in capsys.readouterr().out

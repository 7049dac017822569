"""Clipped local energies count in the gradient and not in the energy."""

import jax
import jax.numpy as jnp
import numpy as np

import nqs
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from nqs.clipping import clipped
from nqs.optimizer import limited
from nqs.parallel import Communicator


def test_outliers_are_drawn_in_along_their_direction():
    """Of 0, 0, 0, 4 + 4i the mean is m = 1 + i, D = 3|m|/2 and the largest deviation 3|m|."""
    energies = jnp.array([[0.0, 0.0], [0.0, 4 + 4j]])
    used = clipped(Communicator(), energies, 4, 1.6)
    np.testing.assert_allclose(used.energies, [[0, 0], [0, (1 + 1j) * 3.4]], rtol=1e-14)
    np.testing.assert_allclose(used.mean, (1 + 1j) * 0.85, rtol=1e-14)
    assert clipped(Communicator(), energies, 4, 2.1).energies[1, 1] == 4 + 4j
    assert clipped(Communicator(), energies, 4, None).energies is energies


def test_a_clipped_step_reports_the_same_energy_and_keeps_to_its_norm():
    def run(**limits):
        ansatz = nqs.RBM(6, 1, key=jax.random.key(0), stddev=0.3)
        sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=16, n_samples=64)
        optimizer = limited(nqs.sr(0.5), **limits)
        vmc = nqs.VMC(TransverseIsing(Lattice("chain", (6,))), ansatz, sampler, optimizer)
        state = vmc.initial_state()
        after, row, _ = vmc.step(state, lambda: np.zeros(2))
        return row, after.theta - state.theta

    row, change = run()
    clipped_row, clipped_change = run(clip=0.5, max_norm=1e-3)
    for name in ("energy", "energy_error", "variance"):
        assert clipped_row[name] == row[name]
    assert clipped_row["gradient_norm"] < 0.9 * row["gradient_norm"]
    assert np.linalg.norm(change) > 2e-3
    np.testing.assert_allclose(np.linalg.norm(clipped_change), 1e-3, rtol=1e-9)

"""Every program of a run is compiled in its first steps, and none later."""

import jax
import numpy as np
import pytest

import nqs
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice

OPTIMIZERS = {"adam": nqs.adam(0.01), "sr": nqs.sr(0.1), "cg": nqs.sr(0.1, solver="cg"), "spring": nqs.spring(0.05)}


def no_wishes() -> np.ndarray:
    return np.zeros(2)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_nothing_is_traced_after_the_first_step(optimizer, caplog):
    """Also where the chains start anew in between; a jitted function of a new shape is seen."""
    ring = TransverseIsing(Lattice("chain", (6,)))
    network, sampler = nqs.RBM(6, 1, key=jax.random.key(0)), nqs.Metropolis(nqs.LocalFlip(), 8, 16)
    run = nqs.VMC(ring, network, sampler, OPTIMIZERS[optimizer], restart_steps=3)
    state = run.initial_state()
    with jax.log_compiles():
        for step in range(8):
            if step == 1:
                assert "Compiling" in caplog.text
                caplog.clear()
            state, _, _ = run.step(state, no_wishes)
        assert caplog.text == ""
        jax.jit(lambda x: x + 1)(np.zeros(step))
        assert "Compiling" in caplog.text

"""Every wave function beside every optimiser and every move runs two steps."""

import numpy as np
import pytest
from systems import ANSATZE, BALANCED, HAMILTONIANS, N_SITES, SINGLETS

import nqs
from nqs import schema
from nqs.build import build_optimizer
from nqs.parameters import RealView
from nqs.sampler.moves import all_pairs

CHAIN = ({"transform": "clip", "max_delta": 1.0}, {"transform": "trace", "decay": 0.9})
OPTIMIZERS = {
    "sgd": nqs.sgd(0.01),
    "adam": nqs.adam(0.01),
    "optax": build_optimizer(schema.Optax(chain=CHAIN)),
    "sr": nqs.sr(0.05),
    "cg": nqs.sr(0.05, solver="cg"),
    "minsr": nqs.minsr(0.05),
    "spring": nqs.spring(0.05),
    "auto": nqs.auto(0.05),
}
EXCHANGE = nqs.Exchange(all_pairs(N_SITES))
MOVES = {
    "flip": ("ising_ring", nqs.LocalFlip()),
    "flip_global": ("ising_ring", (nqs.LocalFlip(), nqs.GlobalFlip())),
    "exchange": ("heisenberg_marshall", EXCHANGE),
    "exchange_global": ("heisenberg_marshall", (EXCHANGE, nqs.GlobalFlip())),
}
AT_ONE_MAGNETISATION = {f"{name}_balanced": make for name, make in BALANCED.items()} | SINGLETS
OF_SINGLETS = {
    "unrotated": ("heisenberg", EXCHANGE),
    "unrotated_global": ("heisenberg", (EXCHANGE, nqs.GlobalFlip())),
}
PAIRS = [(name, optimizer, "flip") for name in ANSATZE for optimizer in OPTIMIZERS]
PAIRS += [(name, "sgd", move) for name in ANSATZE for move in list(MOVES)[1:]]
PAIRS += [(name, o, move) for name in AT_ONE_MAGNETISATION for o in OPTIMIZERS for move in OF_SINGLETS]


@pytest.mark.slow
@pytest.mark.parametrize(("ansatz", "optimizer", "move"), PAIRS)
def test_two_steps(ansatz, optimizer, move):
    hamiltonian, proposals = (MOVES | OF_SINGLETS)[move]
    model = (ANSATZE | AT_ONE_MAGNETISATION)[ansatz]()
    sampler = nqs.Metropolis(proposals, n_chains=8, n_samples=32)
    vmc = nqs.VMC(HAMILTONIANS[hamiltonian], model, sampler, OPTIMIZERS[optimizer], seed=1)
    result = vmc.run(2, measure_samples=32, measure_burn_in=5)
    assert result.status == "complete"
    assert np.all(np.isfinite(result.history["energy"]))
    assert np.isfinite(result.measured["energy"])
    layout = RealView(model)
    assert np.any(layout.flatten(result.ansatz) != layout.flatten(model))

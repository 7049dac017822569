"""Run under mpirun by test_mpi: `rank_program.py FILE CASE …` puts what each case gives on all ranks into the file.

A case is twenty steps with an optimiser and the energy measured after them, or the observables. A Jastrow factor has no
dense layers, so that minSR works in blocks: of eight samples here, of which the last ranks have fewer.
"""

import sys

import jax
import numpy as np

import nqs
import nqs.gram
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from nqs.ansatz.jastrow import Jastrow
from nqs.parallel import connect
from nqs.renyi import measure_renyi
from nqs.sampler.passes import SamplingPass

nqs.gram.BLOCK = 1
nqs.gram.AT_ONCE = 4
communicator = connect()
hamiltonian = TransverseIsing(Lattice("chain", (8,)), transverse_field=0.8)
network = nqs.FeedForward(8, (8,), key=jax.random.key(1), phase=True)
metropolis = nqs.Metropolis(nqs.LocalFlip(), n_chains=10, n_samples=60)
RUNS = {
    "sgd": lambda: (network, metropolis, nqs.sgd(0.02)),
    "sr": lambda: (network, metropolis, nqs.sr(0.1)),
    "cg": lambda: (network, metropolis, nqs.sr(0.1, solver="cg")),
    "minsr": lambda: (network, metropolis, nqs.minsr(0.1)),
    "spring": lambda: (network, metropolis, nqs.spring(0.1)),
    "blocks": lambda: (Jastrow(8, key=jax.random.key(1), stddev=0.1), metropolis, nqs.minsr(0.1)),
    "direct": lambda: (
        nqs.Recurrent(hamiltonian.space, (6,), key=jax.random.key(2), phase=True),
        nqs.Direct(10, 60),
        nqs.sgd(0.02),
    ),
}


def energies(name: str) -> np.ndarray:
    vmc = nqs.VMC(hamiltonian, *RUNS[name](), seed=3, communicator=communicator, chunk_size=8)
    result = vmc.run(20, measure_samples=30, measure_burn_in=20)
    return np.append(result.history["energy"], result.measured["energy"])


def observables() -> np.ndarray:
    vmc = nqs.VMC(hamiltonian, network, metropolis, nqs.sgd(0.02), seed=3, communicator=communicator)
    _, found = nqs.measure_observables(vmc, network, 60, 10, region=range(5, 8), lanczos_samples=60)
    sampling = SamplingPass(hamiltonian.space, metropolis, communicator, 240, 10)
    entropy = measure_renyi(sampling, network, jax.random.key(0), 256, (0, 1), 1)
    return np.concatenate([np.ravel([one.mean, one.error]) for one in (entropy, *found.values())])


columns = {name: observables() if name == "observables" else energies(name) for name in sys.argv[2:]}
if communicator.is_root:
    np.savez(sys.argv[1], **columns)

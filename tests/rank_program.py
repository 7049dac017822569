"""Run under mpirun by test_mpi: twenty steps with several optimisers, and the observables, to the file named."""

import sys

import jax
import numpy as np

import nqs
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from nqs.parallel import connect
from nqs.renyi import measure_renyi

communicator = connect()
hamiltonian = TransverseIsing(Lattice("chain", (8,)), transverse_field=0.8)
optimizers = {
    "sgd": nqs.sgd(0.02),
    "sr": nqs.sr(0.1),
    "cg": nqs.sr(0.1, solver="cg"),
    "minsr": nqs.minsr(0.1),
    "spring": nqs.spring(0.1),
}
ansatz = nqs.RBM(8, 1, key=jax.random.key(1), dtype="complex128", visible_bias=True, stddev=0.1)
sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=10, n_samples=60)
columns = {}
for name, optimizer in optimizers.items():
    vmc = nqs.VMC(hamiltonian, ansatz, sampler, optimizer, seed=3, communicator=communicator)
    result = vmc.run(20, measure_samples=600, measure_burn_in=20)
    columns[name] = np.append(result.history["energy"], result.measured["energy"])
vmc = nqs.VMC(hamiltonian, ansatz, sampler, nqs.sgd(0.02), seed=3, communicator=communicator)
_, observables = nqs.measure_observables(vmc, ansatz, 60, 10, region=range(5, 8))
entropy = measure_renyi(
    hamiltonian.space, ansatz, sampler, jax.random.key(0), communicator, 240, 10, 256, (0, 1), lambda: False, 1
)
found = [entropy, *observables.values()]
columns["observables"] = np.concatenate([np.ravel([one.mean, one.error]) for one in found])
if communicator.is_root:
    np.savez(sys.argv[1], **columns)

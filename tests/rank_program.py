"""Run under mpirun by test_mpi: twenty steps with several optimisers, and the observables, to the file named.

A Jastrow factor has no dense layers, so that minSR works in blocks.
"""

import sys

import jax
import numpy as np

import nqs
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from nqs.ansatz.jastrow import Jastrow
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
    "blocks": nqs.minsr(0.1),
}
ansatz = nqs.RBM(8, 1, key=jax.random.key(1), dtype="complex128", visible_bias=True, stddev=0.1)
sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=10, n_samples=60)
columns = {}
for name, optimizer in optimizers.items():
    psi = Jastrow(8, key=jax.random.key(1), stddev=0.1) if name == "blocks" else ansatz
    vmc = nqs.VMC(hamiltonian, psi, sampler, optimizer, seed=3, communicator=communicator)
    result = vmc.run(20, measure_samples=600, measure_burn_in=20)
    columns[name] = np.append(result.history["energy"], result.measured["energy"])
network = nqs.Recurrent(hamiltonian.space, (6,), key=jax.random.key(2), phase=True)
vmc = nqs.VMC(hamiltonian, network, nqs.Direct(10, 60), nqs.sgd(0.02), seed=3, communicator=communicator)
result = vmc.run(20, measure_samples=600)
columns["direct"] = np.append(result.history["energy"], result.measured["energy"])
vmc = nqs.VMC(hamiltonian, ansatz, sampler, nqs.sgd(0.02), seed=3, communicator=communicator)
_, observables = nqs.measure_observables(vmc, ansatz, 60, 10, region=range(5, 8))
entropy = measure_renyi(
    hamiltonian.space, ansatz, sampler, jax.random.key(0), communicator, 240, 10, 256, (0, 1), lambda: False, 1
)
found = [entropy, *observables.values()]
columns["observables"] = np.concatenate([np.ravel([one.mean, one.error]) for one in found])
if communicator.is_root:
    np.savez(sys.argv[1], **columns)

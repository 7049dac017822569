"""Physical systems: configuration spaces, lattices, Hamiltonians and their exact solutions.

This package knows nothing of networks, sampling, MPI or files. Importing it switches JAX to 64 bits,
which is the only side effect of an import in this project.
"""

import jax

jax.config.update("jax_enable_x64", True)

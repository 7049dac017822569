"""How much memory a step of a rank needs."""

from nqs.driver import VMC


def step_memory(vmc: VMC) -> int:
    """Bytes that a step of this rank holds at most beyond the program itself.

    Arguments, results and temporaries as the compiler plans them for sampling, local energies and gradient sums, and
    for dense stochastic reconfiguration two matrices S more: the sum and its factor.
    """
    compiled = vmc.lower_step().compile().compiled.memory_analysis()
    step = compiled.argument_size_in_bytes + compiled.output_size_in_bytes + compiled.temp_size_in_bytes
    natural = vmc.optimizer.natural
    if natural is None or natural.solver != "cholesky":
        return step
    n_local = vmc.sampler.n_samples * len(vmc.chains) // vmc.sampler.n_chains
    rows = min(n_local, vmc.chunk_size) * vmc.components
    return step + 8 * (3 * vmc.view.size**2 + 2 * rows * vmc.view.size)

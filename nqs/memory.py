"""How much memory a step of a rank needs."""

from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp

from nqs.driver import VMC
from nqs.local_energy import local_energies
from nqs.natural_gradient import NaturalGradient
from nqs.reduction import local_sums
from nqs.sampler.base import sample


def step_memory(vmc: VMC) -> int:
    """Bytes that a step of this rank holds at most beyond the program itself.

    Arguments, results and temporaries of the largest part of a step, as the compiler plans them, and what the natural
    gradient holds beside them.
    """
    parts = [part.lower(*arguments, **sizes) for part, arguments, sizes in _parts(vmc)]
    plans = [lowered.compile().compiled.memory_analysis() for lowered in parts]
    step = max(p.argument_size_in_bytes + p.output_size_in_bytes + p.temp_size_in_bytes for p in plans)
    natural = vmc.optimizer.natural
    if not isinstance(natural, NaturalGradient):
        return step
    n_local = vmc.sampler.n_samples * len(vmc.chains) // vmc.sampler.n_chains
    x = jax.eval_shape(vmc.hamiltonian.space.random, jax.random.key(0))
    return step + natural.memory(vmc.ansatz, x, n_local, vmc.sampler.n_samples, vmc.chunk_size)


def _parts(vmc: VMC) -> list[tuple[Any, tuple[Any, ...], dict[str, int]]]:
    state = vmc.initial_state()
    theta, zero = jnp.asarray(state.theta), jnp.asarray(0)
    ansatz = vmc.view.build(theta)
    sampling = (vmc.sampler, ansatz, jax.random.key(0), vmc.chains, state.x, zero)
    samples, _, info = _zeros(eqx.filter_eval_shape(sample, *sampling))
    evaluation = (vmc.hamiltonian, ansatz, samples, vmc.chunk_size)
    energies = _zeros(eqx.filter_eval_shape(local_energies, *evaluation))
    summing = (vmc.view, theta, samples, energies, energies, jnp.asarray(0.0), info, vmc.chains)
    return [
        (cast(Any, sample), sampling, {}),
        (cast(Any, local_energies), evaluation, {}),
        (cast(Any, local_sums), summing, vmc.sizes),
    ]


def _zeros(shapes: Any) -> Any:
    return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

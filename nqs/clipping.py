"""Outliers of the local energy, which a gradient of few samples does not survive."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

from nqs.parallel import Communicator


class Clipped(NamedTuple):
    """Local energies of this rank, and their mean over all ranks, where they were clipped."""

    energies: Inexact[Array, "n_local per_chain"]
    mean: complex | None


def clipped(
    communicator: Communicator, energies: Inexact[Array, "n_local per_chain"], n_samples: int, limit: float | None
) -> Clipped:
    """E + ΔE min(1, `limit` · D/|ΔE|) with ΔE = E_L − E and D = ⟨|ΔE|⟩, for the gradient and never for the energy.

    `n_samples` is their number on all ranks. Three reductions of two numbers; none, and no change, without a limit.

    J. Spencer et al., arXiv:2011.07125, section 3.
    """
    if limit is None:
        return Clipped(energies, None)
    delta = energies - _mean(communicator, energies, n_samples)
    largest = limit * _mean(communicator, jnp.abs(delta), n_samples).real
    size = jnp.abs(delta)
    kept = energies - delta * jnp.where(size > largest, 1 - largest / jnp.where(size > 0, size, 1.0), 0.0)
    return Clipped(kept, _mean(communicator, kept, n_samples))


def _mean(communicator: Communicator, values: Inexact[Array, "..."], n_samples: int) -> complex:
    total = jnp.sum(values)
    real, imaginary = communicator.sum(np.array([jnp.real(total), jnp.imag(total)], float)) / n_samples
    return complex(real, imaginary) if jnp.iscomplexobj(values) else float(real)

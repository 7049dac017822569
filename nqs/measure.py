"""The energy that is reported: a pass of its own at frozen parameters."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Num

from hamiltonians.spin import SpinHamiltonian
from nqs.ansatz.base import Ansatz
from nqs.ansatz.projected import Projected
from nqs.blocks import Blocks, Means, jackknife
from nqs.local_energy import Hamiltonian, local_energies
from nqs.order import OrderParameters
from nqs.sampler.passes import SamplingPass
from nqs.statistics import series_statistics, v_score


def measure_energy(
    hamiltonian: Hamiltonian,
    ansatz: Ansatz,
    sampling: SamplingPass,
    key: jax.Array,
    chunk_size: int,
    observe: Callable[[Num[Array, "n_local per_chain *configuration"]], None] = lambda samples: None,
) -> dict[str, Any] | None:
    """The energy of an ansatz with its error, from chains started independently and burnt in.

    The keys of the answer are those of `nqs.results.MEASURED`, and of `DIAGNOSTICS` where the sampler has them; it is
    the same on every rank. Collective; None if the pass was stopped. `observe` is called with the samples of each step.

    Raises `RunError` if a local energy is not finite.
    """
    energies, counts = [], []
    sampler, communicator = sampling.sampler, sampling.communicator
    order = OrderParameters(hamiltonian, communicator) if isinstance(hamiltonian, SpinHamiltonian) else None
    for samples, info in sampling.samples(ansatz, key, "the energy"):
        energies.append(np.asarray(local_energies(hamiltonian, ansatz, samples, chunk_size)))
        counts.append([info.n_accepted, info.n_proposed, *info.tallies])
        observe(samples)
        if order is not None:
            order.add(samples)
        if sampling.is_stopped():
            return None
    local = np.concatenate(energies, axis=1)
    communicator.require_finite(local, "measurement", "a local energy")
    series = communicator.gather(local)
    blocks = Blocks(sampler.n_chains, local.shape[1])
    blocks.add({"real": np.real(local), "imaginary": np.imag(local), "square": np.abs(local) ** 2})
    sums = blocks.gathered(communicator)
    rhat_order = np.nan if order is None else order.rhat()
    accepted, proposed, *tallies = communicator.sum(np.sum(counts, axis=0))
    measured = None
    if series is not None and sums is not None:
        statistics = series_statistics(series)
        variance_error, score_error = jackknife(partial(_variance_and_score, hamiltonian), sums, blocks.sizes)[1]
        energy = statistics.mean.real
        reference = reference_energy(hamiltonian, ansatz)
        measured = {
            "energy": energy,
            "energy_error": statistics.error,
            "energy_imaginary": statistics.mean.imag,
            "energy_imaginary_error": statistics.error_imaginary,
            "variance": statistics.variance,
            "variance_error": float(variance_error),
            "v_score": hamiltonian_v_score(hamiltonian, energy, statistics.variance),
            "v_score_error": float(score_error),
            "rhat": statistics.rhat,
            "rhat_order": rhat_order,
            "tau": statistics.tau,
            "ess": statistics.ess,
            "n_samples": float(series.size),
            "acceptance": float(accepted / proposed),
            "reference": np.nan if reference is None else reference,
            **sampler.diagnostics(np.array(tallies)),
        }
    return communicator.broadcast_object(measured)


def _variance_and_score(hamiltonian: Hamiltonian, means: Means) -> Float[np.ndarray, " 2"]:
    variance = float(means["square"] - means["real"] ** 2 - means["imaginary"] ** 2)
    return np.array([variance, hamiltonian_v_score(hamiltonian, float(means["real"]), variance)])


def reference_energy(hamiltonian: Hamiltonian, ansatz: Ansatz) -> float | None:
    """The exact energy of the ground state, where there is a closed form and ψ may be that state.

    Projected on a sector it may be so only if that is the one of a positive state and the ground state is positive:
    with the Marshall rotation, where there is one.
    """
    if isinstance(ansatz, Projected) and not (ansatz.is_symmetric and getattr(hamiltonian, "marshall", True)):
        return None
    return hamiltonian.reference_energy()


def hamiltonian_v_score(hamiltonian: Hamiltonian, energy: float, variance: float) -> float:
    """The V-score of a lattice model; NaN for particles, whose energy at infinite temperature has no meaning."""
    if not isinstance(hamiltonian, SpinHamiltonian):
        return np.nan
    return v_score(hamiltonian.space.n_sites, energy, variance, hamiltonian.infinite_temperature_energy)

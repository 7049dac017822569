"""Everything that is measured at frozen parameters: the energy and the observables."""

from collections.abc import Callable, Sequence

import jax
import numpy as np
from jaxtyping import Array

from hamiltonians.spin import SpinHamiltonian
from nqs.ansatz.base import Ansatz
from nqs.blocks import Blocks
from nqs.correlations import MAX_SITES, SiteCorrelations
from nqs.driver import VMC
from nqs.errors import InputError
from nqs.fidelity import can_be_enumerated, fidelity
from nqs.lanczos_step import measure_lanczos_step
from nqs.measure import measure_energy
from nqs.observables import LocalObservables, estimates, local_observables
from nqs.overlaps import measure_overlaps
from nqs.particle_observables import ParticleObservables, particle_estimates
from nqs.renyi import measure_renyi
from nqs.results import Observable
from nqs.sampler.passes import SamplingPass
from nqs.state import LANCZOS, MEASURE, OVERLAPS, REPLICAS, stream


def measure_observables(
    vmc: VMC,
    ansatz: Ansatz,
    n_samples: int = 65536,
    burn_in: int = 500,
    *,
    seed: int | None = None,
    region: Sequence[int] | None = None,
    lanczos_samples: int | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> tuple[dict[str, float], dict[str, Observable]] | None:
    """The energy of `ansatz`, as in `Result.measured`, and its observables, as in `Result.observables`.

    Sampled as by `vmc`, with its seed if no other is given: the energy and the averages from `n_samples` of chains
    started independently and burnt in for `burn_in` sweeps; the overlaps and the Rényi-2 entropy of `region` (the
    first half of the sites, if not given) from as many pairs; the fidelity by summation where `can_be_enumerated`; of
    spins also the energy after a Lanczos step from `lanczos_samples`, if they are given. The same on every rank.
    Collective, as is `is_stopped`, which is asked between samples: None if it ended the pass.

    Raises `InputError` for a region that is empty or not of distinct sites of the system, and for a region or a Lanczos
    step of particles, `RunError` if an estimate is not finite.
    """
    hamiltonian, sampler, communicator = vmc.hamiltonian, vmc.sampler, vmc.communicator
    seed = vmc.seed if seed is None else seed
    sampling = SamplingPass(hamiltonian.space, sampler, communicator, n_samples, burn_in, is_stopped)
    blocks, pairs = Blocks(sampler.n_chains, sampling.samples_per_chain), None
    sites: Sequence[int] = ()
    if isinstance(hamiltonian, SpinHamiltonian):
        sites = _checked(region, hamiltonian.space.n_sites)
        local = LocalObservables(hamiltonian)
        if not local.is_periodic and hamiltonian.space.n_sites <= MAX_SITES:
            pairs = SiteCorrelations(sampling, local.spin)
    elif region is not None:
        raise InputError("the region: particles have no sites")
    elif lanczos_samples is not None:
        raise InputError("the Lanczos step: of spins, not of particles")
    else:
        local = ParticleObservables(hamiltonian)

    def observe(samples: Array) -> None:
        blocks.add(jax.tree.map(np.asarray, local_observables(local, ansatz, samples, vmc.chunk_size)))
        if pairs is not None:
            pairs.add(np.asarray(samples))

    measured = measure_energy(hamiltonian, ansatz, sampling, stream(seed, MEASURE), vmc.chunk_size, observe)
    if measured is None:
        return None
    sums = blocks.gathered(communicator)
    if isinstance(local, ParticleObservables):
        found = {} if sums is None else particle_estimates(local, sums, blocks.sizes)
        return measured, dict(sorted(communicator.broadcast_object(found).items()))
    observables = communicator.broadcast_object({} if sums is None else estimates(local, sums, blocks.sizes))
    assert isinstance(hamiltonian, SpinHamiltonian)
    if pairs is not None:
        observables["correlation"] = communicator.broadcast_object(pairs.observable())
    overlaps = measure_overlaps(sampling, ansatz, stream(seed, OVERLAPS))
    if overlaps is None:
        return None
    observables["overlap_distribution"] = overlaps
    if hamiltonian.space.n_sites > 1:
        entropy = measure_renyi(sampling, ansatz, stream(seed, REPLICAS), vmc.chunk_size, sites)
        if entropy is None:
            return None
        observables["renyi2_entropy"] = entropy
    if can_be_enumerated(hamiltonian, ansatz):
        observables["fidelity"] = communicator.from_root(lambda: fidelity(hamiltonian, ansatz, vmc.chunk_size))
    if lanczos_samples is not None:
        part = sampling._replace(n_samples=lanczos_samples)
        of_step = measure_lanczos_step(
            hamiltonian, part, ansatz, stream(seed, LANCZOS), measured["energy"], vmc.chunk_size
        )
        if of_step is None:
            return None
        observables |= of_step
    return measured, dict(sorted(observables.items()))


def _checked(region: Sequence[int] | None, n_sites: int) -> Sequence[int]:
    """The region, the first half of the sites where none is given; one site has none that could be checked."""
    region = range(n_sites // 2) if region is None else region
    if n_sites == 1:
        return region
    if len(region) == 0 or len(set(region)) < len(region):
        raise InputError("the region must be a list of distinct sites, and not empty")
    outside = [site for site in region if not 0 <= site < n_sites]
    if outside:
        raise InputError(f"the region names the site {outside[0]}, which does not exist; there are 0 to {n_sites - 1}")
    return region

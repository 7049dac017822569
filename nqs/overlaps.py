"""The distribution of the overlap of two replicas, P(q) of a spin glass."""

from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Int8, Key

from hamiltonians.space import Spins
from nqs.ansatz.base import Ansatz
from nqs.blocks import Blocks, jackknife
from nqs.results import Observable
from nqs.sampler.passes import SamplingPass


def measure_overlaps(sampling: SamplingPass, ansatz: Ansatz, key: Key[Array, ""]) -> Observable | None:
    """P(q), the same on every rank, from as many pairs as the pass has samples; None if it was stopped.

    q = Σ_i x_i x′_i/N for x and x′ drawn independently from |ψ|², one of −1, −1 + 2/N, …, 1, every second of them where
    the magnetisation is fixed; P(q) are their probabilities, of sum 1 (G. Parisi, Phys. Rev. Lett. 50, 1946, 1983). The
    error of a value that was not seen is that of one sample, 1/n. Collective.
    """
    space, n_chains = sampling.space, sampling.sampler.n_chains
    blocks = Blocks(n_chains, sampling.samples_per_chain)
    possible = possible_agreements(space)
    for first, second in independent_pairs(sampling, ansatz, key, "the overlaps"):
        blocks.add({"share": overlap_indicators(np.asarray(first), np.asarray(second))[..., possible]})
        if sampling.is_stopped():
            return None
    sums, found = blocks.gathered(sampling.communicator), None
    if sums is not None:
        mean, error = jackknife(lambda means: means["share"], sums, blocks.sizes)
        error = np.where(mean > 0, error, 1 / (n_chains * blocks.sizes.sum()))
        q = 2 * possible / space.n_sites - 1
        text = "P(q), the probability of the overlap q = sum_i x_i x′_i/N of two independent configurations"
        found = Observable(mean, error, "1", text, {"q": q})
    return sampling.communicator.broadcast_object(found)


def possible_agreements(space: Spins) -> Int[np.ndarray, " values"]:
    """At how many sites two configurations of a space can agree, ascending."""
    if space.n_up is None:
        return np.arange(space.n_sites + 1)
    return space.n_sites - 2 * np.arange(min(space.n_up, space.n_sites - space.n_up), -1, -1)


def overlap_indicators(
    first: Int8[np.ndarray, "n_chains steps n_sites"], second: Int8[np.ndarray, "n_chains steps n_sites"]
) -> Float[np.ndarray, "n_chains steps n_sites_plus_one"]:
    """1 at the place of the overlap of each pair among the N + 1 values, 0 elsewhere."""
    agreeing = np.count_nonzero(first == second, axis=-1)
    return (agreeing[..., None] == np.arange(first.shape[-1] + 1)).astype(float)


def independent_pairs(
    sampling: SamplingPass, ansatz: Ansatz, key: Key[Array, ""], what: str
) -> Iterator[tuple[Int8[Array, "n_local per_chain n_sites"], Int8[Array, "n_local per_chain n_sites"]]]:
    """Samples of |ψ(x) ψ(x′)|² of the chains of this rank, step by step, from two sets of chains."""
    keys = [jax.random.fold_in(key, replica) for replica in range(2)]
    for (first, _), (second, _) in zip(
        sampling.samples(ansatz, keys[0], what), sampling.samples(ansatz, keys[1], ""), strict=True
    ):
        yield first, second

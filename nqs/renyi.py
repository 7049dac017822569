"""The Rényi-2 entropy of a region from two replicas: the swap estimator and the ratio trick.

M. Hastings, I. González, A. Kallin and R. Melko, Phys. Rev. Lett. 104, 157201 (2010). With x and x′ two
configurations, and x_A, x′_A exchanged between them in the swapped ones,

    w_A(x, x′) = ψ*(x) ψ*(x′) ψ(x′_A x_B) ψ(x_A x′_B),  Tr ρ_A² = Σ w_A/Σ w_∅,  S_2 = −ln Tr ρ_A².

For nested regions ∅ = A_0 ⊂ A_1 ⊂ … the ratios Σ w_{A_{k+1}}/Σ w_{A_k} are measured one by one.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int8, Key

from hamiltonians.space import Flip, Spins
from nqs.ansatz.base import Ansatz, MovingAnsatz, T
from nqs.blocks import Blocks, Means, Number, jackknife
from nqs.overlaps import independent_pairs
from nqs.results import Observable
from nqs.sampler.base import start_chains
from nqs.sampler.metropolis import Metropolis
from nqs.sampler.moves import Exchange, GlobalFlip, LocalFlip, TwinExchange, all_pairs
from nqs.sampler.passes import SamplingPass

# A ratio of neighbouring regions is at least 1/4 for each site between them.
SITES_PER_STEP = 4


class Replicas(MovingAnsatz):
    """√(|w_A| + |w_A′|) for two regions, `inner` ⊂ `outer`, as a wave function of the 2N spins of two replicas.

    Sampling its square covers whatever either weight does (with a fixed magnetisation neither covers the other), and
    both terms of the ratio are at most 1. Where a swap leaves the magnetisation of `space`, ψ is zero. The six images
    are x, x′, and both swapped on either region: `images` has the replicas' site at each site of each image, `inverses`
    the other way round.
    """

    ansatz: Ansatz
    images: Int[Array, "6 n_sites"]
    inverses: Int[Array, "6 all_sites_plus_one"]
    n_up: int | None = eqx.field(static=True)

    def __init__(
        self, ansatz: Ansatz, space: Spins, inner: Bool[np.ndarray, " n_sites"], outer: Bool[np.ndarray, " n_sites"]
    ):
        n, sites = space.n_sites, np.arange(space.n_sites)
        swaps = [(np.where(a, sites + n, sites), np.where(a, sites, sites + n)) for a in (0 * inner, inner, outer)]
        images = np.concatenate(swaps)
        inverses = np.full((len(images), 2 * n + 1), n)
        np.put_along_axis(inverses, images, np.broadcast_to(sites, images.shape), axis=1)
        self.ansatz, self.n_up = ansatz, space.n_up
        self.images, self.inverses = jnp.asarray(images, jnp.int32), jnp.asarray(inverses, jnp.int32)

    def __call__(self, x: Int8[Array, " all_sites"]) -> Float[Array, ""]:
        images = x[self.images]
        return self._log_sum(images, jax.vmap(self.ansatz)(images))

    def accelerated(self, use: Callable[[Ansatz], T]) -> T:
        return self.ansatz.accelerated(lambda ansatz: use(eqx.tree_at(lambda r: r.ansatz, self, ansatz)))

    def start(self, x: Int8[Array, " all_sites"]):
        images = x[self.images]
        return jax.vmap(self.ansatz.start)(images), jax.vmap(self.ansatz)(images)

    def moved(self, cache, x: Int8[Array, " all_sites"], move: Flip):
        images, after = x[self.images], move.apply(x)[self.images]
        if not self.ansatz.can_vanish():
            ratios, caches = jax.vmap(self.ansatz.moved)(cache[0], images, Flip(self.inverses[:, move.sites]))
            new = caches, cache[1] + ratios
        else:  # there is no ratio to get back by from where ψ is zero
            new = self.start(move.apply(x))
        return self._log_sum(after, new[1]) - self._log_sum(images, cache[1]), new

    def terms(self, x: Int8[Array, " all_sites"], is_first: Bool[Array, ""]) -> dict[str, Float[Array, ""]]:
        """Re w_A/p and Re w_A′/p, where p is the weight of the sample: |w_A| + |w_A′|, or |w_A| in the first step."""
        images = x[self.images]
        logs = jax.vmap(self.ansatz)(images)
        moduli = self._log_moduli(images, logs)
        log_p = jnp.where(is_first, moduli[0], jnp.logaddexp(moduli[0], moduli[1]))
        angles = jnp.imag(logs).astype(float).reshape(3, 2).sum(axis=1)
        values = jnp.exp(moduli - log_p) * jnp.cos(angles[1:] - angles[0])
        inner, outer = jnp.where(jnp.isneginf(moduli), 0, values)
        return {"inner": inner, "outer": outer}

    def _log_sum(self, images, logs) -> Float[Array, ""]:
        moduli = self._log_moduli(images, logs)
        return jnp.logaddexp(moduli[0], moduli[1]) / 2

    def _log_moduli(self, images, logs) -> Float[Array, " 2"]:
        """ln |w_A| and ln |w_A′|."""
        reals = jnp.real(logs).astype(float)
        if self.n_up is not None:
            is_inside = jnp.sum(images, axis=1, dtype=int) == 2 * self.n_up - images.shape[1]
            reals = jnp.where(is_inside, reals, -jnp.inf)
        both = reals.reshape(3, 2).sum(axis=1)
        return both[0] + both[1:]


def nested_regions(
    region: Sequence[int], n_sites: int, sites_per_step: int = SITES_PER_STEP
) -> Bool[np.ndarray, "n_regions n_sites"]:
    """∅ ⊂ A_1 ⊂ … ⊂ A as masks, `sites_per_step` sites apart, for a region A or its complement, which has the same
    entropy, whichever is smaller.
    """
    sites = np.sort(np.asarray(region))
    if 2 * len(sites) > n_sites:
        sites = np.setdiff1d(np.arange(n_sites), sites)
    ends = [*range(0, len(sites), sites_per_step), len(sites)]
    return np.stack([np.isin(np.arange(n_sites), sites[:end]) for end in dict.fromkeys(ends)])


def measure_renyi(
    sampling: SamplingPass,
    ansatz: Ansatz,
    key: Key[Array, ""],
    chunk_size: int,
    region: Sequence[int],
    sites_per_step: int = SITES_PER_STEP,
) -> Observable | None:
    """S_2 of a region, the same on every rank; None if the pass, whose samples are the pairs of all steps, was stopped.

    The first step pairs two independently started sets of chains; the others sample both replicas
    together, by flips (or exchanges of any pair, in one replica or in both, where the magnetisation is fixed) and now
    and then by a flip of all sites. NaN where noise makes a trace negative. Collective.
    """
    space = sampling.space
    steps = list(pairwise(nested_regions(region, space.n_sites, sites_per_step)))
    entropy, variance = 0.0, 0.0
    for number, (inner, outer) in enumerate(steps):
        replicas = Replicas(ansatz, space, inner, outer)
        step_key, what = jax.random.fold_in(key, number), f"the Renyi-2 entropy, {number + 1} of {len(steps)}"
        part = sampling._replace(n_samples=-(-sampling.n_samples // len(steps)))
        blocks = Blocks(part.sampler.n_chains, part.samples_per_chain)
        if number == 0:
            pairs = independent_pairs(part, ansatz, step_key, what)
            sampled = (jnp.concatenate(pair, axis=-1) for pair in pairs)
        else:
            sampled = joint_pairs(part, replicas, step_key, what)
        for samples in sampled:
            blocks.add(jax.tree.map(np.asarray, swap_terms(replicas, samples, jnp.asarray(number == 0), chunk_size)))
            if part.is_stopped():
                return None
        sums = blocks.gathered(part.communicator)
        if sums is not None:
            with np.errstate(invalid="ignore", divide="ignore"):
                value, error = jackknife(minus_log_ratio, sums, blocks.sizes)
            entropy, variance = entropy + float(value), variance + float(error) ** 2
    text = f"Renyi-2 entropy -ln Tr rho_A^2 of the sites {_ranges(region)}"
    return sampling.communicator.broadcast_object(Observable(entropy, np.sqrt(variance).item(), "1", text))


def minus_log_ratio(means: Means) -> Number:
    """−ln Σ w_A′/Σ w_A, the entropy that a step adds."""
    return np.log(means["inner"]) - np.log(means["outer"])


def joint_pairs(
    sampling: SamplingPass, replicas: Replicas, key: Key[Array, ""], what: str
) -> Iterator[Int8[Array, "n_local per_chain all_sites"]]:
    """Samples of |w_A| + |w_A′|, step by step; each chain starts with both replicas alike, where no swap matters."""
    space, sampler = sampling.space, sampling.sampler
    start, pass_key = jax.random.split(key)
    x = jnp.tile(start_chains(space, start, sampling.chains), (1, 2))
    pairs = all_pairs(space.n_sites)
    both = (Exchange(np.concatenate([pairs, pairs + space.n_sites])), TwinExchange(pairs))
    moves = (LocalFlip(),) if space.total_sz is None else both
    weights = (1.0,) * len(moves)
    if not space.total_sz:
        moves, weights = (*moves, GlobalFlip()), (*weights, 1 / space.n_sites)
    joint = sampling._replace(sampler=Metropolis(moves, sampler.n_chains, sampler.n_samples, weights=weights))
    for samples, _ in joint.samples_from(x, replicas, pass_key, what):
        yield samples


@eqx.filter_jit
def swap_terms(
    replicas: Replicas, x: Int8[Array, "n_chains steps all_sites"], is_first: Bool[Array, ""], chunk_size: int
) -> dict[str, Float[Array, "n_chains steps"]]:
    """`Replicas.terms` of every pair, `chunk_size` at a time, which bounds the memory."""
    flat = x.reshape(-1, x.shape[-1])
    values = jax.lax.map(lambda y: replicas.terms(y, is_first), flat, batch_size=min(chunk_size, len(flat)))
    return jax.tree.map(lambda array: array.reshape(x.shape[:2]), values)


def _ranges(sites: Sequence[int]) -> str:
    """Sites as they are given on the command line: "0-3,7"."""
    parts: list[list[int]] = []
    for site in sorted(sites):
        if parts and site == parts[-1][1] + 1:
            parts[-1][1] = site
        else:
            parts.append([site, site])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)

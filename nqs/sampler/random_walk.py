"""Metropolis sampling of particles in continuous space."""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Num

from hamiltonians.moves import Displacement, Swap
from hamiltonians.space import Particles
from nqs.ansatz.base import Ansatz
from nqs.sampler.base import Draws, Sampler, SamplerInfo

Steps = Literal["gaussian", "gaussian_all", "langevin"]
TARGET = 0.5


class RandomWalk(Sampler):
    """`n_chains` Markov chains (of all ranks together) of particles that give `n_samples` configurations a step.

    A sweep displaces each particle in turn by a normal vector of variance σ² along each axis ("gaussian"), or all of
    them at once, without ("gaussian_all") or with the drift σ²v of v = ∇ log |ψ| ("langevin"), each proposal accepted
    or not; between two samples of a chain lie `sweeps` sweeps, and `burn_in` more before its first sample ever. The
    drift of a particle is limited to σ²v (√(1 + 2σ²v²) − 1)/(σ²v²) near the nodes (C. Umrigar, M. Nightingale and
    K. Runge, J. Chem. Phys. 99, 2865, 1993), and the acceptance corrects for it. After these come `exchanges` proposals
    to swap the positions of a particle with spin up and one with spin down, drawn uniformly.

    The width σ belongs to the chain: in burn-in alone it moves towards an acceptance of one half, by
    log σ += (acceptance of the sweep − ½) · min(1, 4/√(1 + t)) after sweep t, and stays as it is for all samples; a
    cell of volume Ω is uniformly covered by steps of σ = Ω^{1/dim}, which are the widest.
    A chain is an array (n_particles · dim + 1,): the positions and log σ. One that starts where ψ = 0 takes every
    proposal until it is out of there.
    """

    space: Particles
    steps: Steps = eqx.field(static=True)
    n_chains: int = eqx.field(static=True)
    n_samples: int = eqx.field(static=True)
    sweeps: int = eqx.field(static=True)
    burn_in: int = eqx.field(static=True)
    exchanges: int = eqx.field(static=True)
    is_direct: ClassVar[bool] = False

    def __init__(
        self,
        space: Particles,
        steps: Steps = "gaussian",
        n_chains: int = 128,
        n_samples: int = 1024,
        sweeps: int = 1,
        burn_in: int = 50,
        exchanges: int = 0,
    ):
        """Raises `ValueError` for counts below one as well, and for exchanges without spins of both kinds."""
        self.space, self.steps = space, steps
        self.n_chains, self.n_samples, self.sweeps, self.burn_in = n_chains, n_samples, sweeps, burn_in
        self.exchanges = exchanges
        if sweeps < 1 or burn_in < 0 or exchanges < 0:
            raise ValueError("sweeps must be at least 1, burn_in and exchanges at least 0")
        if exchanges and not (space.n_up and space.n_down):
            raise ValueError("move: exchange swaps particles of opposite spin, and all of these are alike")

    def description(self) -> str:
        return f"{self.steps} steps" + (f" and {self.exchanges} exchanges" if self.exchanges else "")

    def error(self, ansatz: Ansatz, space: Any) -> str | None:
        if not isinstance(space, Particles):
            return f"kind: a random walk is for particles, not for {type(space).__name__}"
        return None

    def start(self, space: Any, key: Key[Array, ""], chains: Int[Array, " n_local"]) -> Num[Array, "n_local *chain"]:
        """Positions spread over the cell or, in open space, from the normal distribution; a first guess of σ."""
        width = self.space.spread / 2
        if self.space.cell is not None:
            width = 0.5 * self._cell_length / self.space.n_particles ** (1 / self.space.dim)
        x = super().start(space, key, chains).reshape(len(chains), -1)
        return jnp.concatenate([x, jnp.full((len(chains), 1), jnp.log(width))], axis=1)

    @property
    def _cell_length(self) -> Float[Array, ""]:
        return jnp.abs(jnp.linalg.det(jnp.asarray(self.space.cell))) ** (1 / self.space.dim)

    def draw(self, ansatz: Ansatz, step_key, chains, x, extra_sweeps) -> Draws:
        def of_chain(chain: Int[Array, ""], state: Float[Array, " n_coordinates_plus_one"]):
            key = jax.random.fold_in(step_key, chain)
            positions = state[:-1].reshape(self.space.n_particles, self.space.dim)

            def one_sweep(index, state):
                return self._sweep(ansatz, jax.random.fold_in(key, index), index, index < extra_sweeps, state)

            def one_sample(state, index):
                first = index * self.sweeps + jnp.where(index == 0, 0, extra_sweeps)
                last = (index + 1) * self.sweeps + extra_sweeps
                state = jax.lax.fori_loop(first, last, one_sweep, state)
                return state, state[0]

            zero, is_zero = jnp.zeros(()), jnp.isneginf(jnp.real(ansatz(positions)))
            start = (positions, self._cache(ansatz, positions), state[-1], SamplerInfo(zero, zero), is_zero)
            (last, _, log_width, info, _), samples = jax.lax.scan(one_sample, start, jnp.arange(self.samples_per_chain))
            return samples, jnp.append(last, log_width), info

        samples, x, info = jax.vmap(of_chain)(chains, x)
        return samples, x, jax.tree.map(lambda count: jnp.sum(count, axis=0), info)

    def _sweep(self, ansatz: Ansatz, key, index, is_adapting: Bool[Array, ""], state):
        x, cache, log_width, info, was_zero = state
        noise_key, accept_key, exchange_key = jax.random.split(key, 3)
        noise = jnp.exp(log_width) * jax.random.normal(noise_key, x.shape)
        n_proposals = len(x) if self.steps == "gaussian" else 1
        log_uniform = jnp.log1p(-jax.random.uniform(accept_key, (n_proposals,)))

        def one_proposal(number, state):
            proposed = self._propose(ansatz, state[0], state[1], noise, log_width, number)
            return _decided(log_uniform[number], proposed, *state)

        start = (x, cache, jnp.zeros(()), was_zero)
        x, cache, n_accepted, is_zero = jax.lax.fori_loop(0, n_proposals, one_proposal, start)
        gain = jnp.minimum(1.0, 4 / jnp.sqrt(1.0 + index))
        adapted = log_width + gain * (n_accepted / n_proposals - TARGET)
        if self.space.cell is not None:
            adapted = jnp.minimum(adapted, jnp.log(self._cell_length))
        log_width = jnp.where(is_adapting & ~was_zero, adapted, log_width)
        x, cache, n_accepted, is_zero = self._exchanged(ansatz, exchange_key, x, cache, n_accepted, is_zero)
        n_proposed = info.n_proposed + n_proposals + self.exchanges
        return x, cache, log_width, SamplerInfo(info.n_accepted + n_accepted, n_proposed), is_zero

    def _exchanged(self, ansatz: Ansatz, key, x, cache, n_accepted, is_zero):
        if not self.exchanges:
            return x, cache, n_accepted, is_zero
        n_up, n = self.space.n_up, self.space.n_particles
        up_key, down_key, accept_key = jax.random.split(key, 3)
        up = jax.random.randint(up_key, (self.exchanges,), 0, n_up)
        down = jax.random.randint(down_key, (self.exchanges,), n_up, n)
        log_uniform = jnp.log1p(-jax.random.uniform(accept_key, (self.exchanges,)))

        def one_exchange(number, state):
            proposed = self._moved(ansatz, state[0], state[1], Swap(jnp.stack([up[number], down[number]])))
            return _decided(log_uniform[number], proposed, *state)

        return jax.lax.fori_loop(0, self.exchanges, one_exchange, (x, cache, n_accepted, is_zero))

    def _moved(self, ansatz: Ansatz, x, cache, move: Displacement | Swap):
        """Like `_propose`, of a symmetric move."""
        if self.steps == "gaussian":
            log_ratio, new_cache = ansatz.moved(cache, x, move)
            return move.apply(x), new_cache, 2 * jnp.real(log_ratio)
        new_cache = self._cache(ansatz, move.apply(x))
        return move.apply(x), new_cache, 2 * (new_cache[0] - cache[0])

    def _propose(self, ansatz: Ansatz, x, cache, noise, log_width, number):
        """The proposed configuration, its cache, and the logarithm of the probability with which it is accepted."""
        if self.steps == "gaussian":
            return self._moved(ansatz, x, cache, Displacement(number, self.space.wrap(x[number] + noise[number])))
        variance = jnp.exp(2 * log_width)
        drift = self._drift(cache, variance)
        step = drift + noise
        proposed = self.space.wrap(x + step)
        new_cache = self._cache(ansatz, proposed)
        backwards = step + self._drift(new_cache, variance)
        log_green = (jnp.sum(noise**2) - jnp.sum(backwards**2)) / (2 * variance)
        return proposed, new_cache, 2 * (new_cache[0] - cache[0]) + log_green

    def _cache(self, ansatz: Ansatz, x: Float[Array, "n_particles dim"]) -> Any:
        """What is kept of x: the ansatz's own for moves of one particle, else log |ψ| and for a drift its gradient."""
        if self.steps == "gaussian":
            return ansatz.start(x)

        def log_modulus(y):
            return jnp.real(ansatz(y)).astype(float)

        if self.steps == "gaussian_all":
            return log_modulus(x), None
        return jax.value_and_grad(log_modulus)(x)

    def _drift(self, cache: Any, variance: Float[Array, ""]):
        gradient = cache[1]
        if gradient is None:
            return 0.0
        a = variance * jnp.sum(gradient**2, axis=1, keepdims=True)
        return variance * gradient * 2 / (1 + jnp.sqrt(1 + 2 * a))


def _decided(log_uniform: Float[Array, ""], proposed: tuple[Any, Any, Float[Array, ""]], x, cache, n_accepted, is_zero):
    """What is kept of a proposal and of the state before it, how many were accepted, and whether ψ = 0 still."""
    new_x, new_cache, log_probability = proposed
    accept = is_zero | (log_uniform < log_probability)

    def keep(new, old):
        return jnp.where(accept, new, old)

    kept = keep(new_x, x), jax.tree.map(keep, new_cache, cache)
    return *kept, n_accepted + accept, is_zero & (log_probability != jnp.inf)

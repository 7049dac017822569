"""Variational Monte Carlo: the loop of sampling, local energies, reduction, gradient and update."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from hamiltonians.spin import SpinHamiltonian
from hamiltonians.term_checks import term_error
from nqs.ansatz.base import Ansatz
from nqs.clipping import clipped
from nqs.continuation import restored
from nqs.errors import InputError, RunError
from nqs.gradient import energy_components, gradient_from_sums
from nqs.local_energy import Hamiltonian, local_energies, needs_signs
from nqs.measure import hamiltonian_v_score, measure_energy
from nqs.natural_gradient import Batch, NaturalGradient
from nqs.optimizer import Optimizer
from nqs.parallel import Communicator, connect
from nqs.parameters import RealView, n_components
from nqs.recorder import Recorder
from nqs.reduction import local_sums, reduce_step
from nqs.results import Result
from nqs.sampler.base import Sampler, sample
from nqs.sampler.passes import SamplingPass
from nqs.state import MEASURE, RESTART, START, TRAIN, State, guarded, stream
from nqs.statistics import (
    WINDOW,
    blocks_per_chain,
    energy_statistics,
    window_diagnostics,
)
from nqs.stopping import Signals, Watch
from nqs.writer import Writer

OnStep = Callable[[dict[str, float]], None]
Wishes = Callable[[], Float[np.ndarray, " 2"]]


class VMC:
    """Minimises the energy of `ansatz` under `hamiltonian` by stochastic gradients over all ranks.

    `chunk_size` is the number of configurations whose local energies are evaluated at once; it bounds the memory.
    With `average_steps` n > 1 the energy is measured at a running average of the parameters over about the last n
    steps, θ̄ ← θ̄ + (θ − θ̄)/min(t, n) after step t: independent of how many steps there will be. With `restart_steps` all
    chains start anew, with the burn-in, whenever so many steps are done: modes of |ψ|² that chains which follow the
    optimisation have left are seen again, and so optimised away.

    Raises `InputError` for more ranks than chains, a sampler, terms or signs that do not suit the space and the ansatz.
    """

    def __init__(
        self,
        hamiltonian: Hamiltonian,
        ansatz: Ansatz,
        sampler: Sampler,
        optimizer: Optimizer,
        *,
        seed: int = 0,
        chunk_size: int = 64,
        average_steps: int = 1,
        restart_steps: int | None = None,
        communicator: Communicator | None = None,
    ):
        self.hamiltonian, self.ansatz, self.sampler = hamiltonian, ansatz, sampler
        self.seed, self.chunk_size, self.average_steps = seed, chunk_size, average_steps
        self.restart_steps = restart_steps
        self.communicator = connect() if communicator is None else communicator
        if self.communicator.size > sampler.n_chains:
            raise InputError(
                f"sampler.n_chains = {sampler.n_chains} is fewer than the {self.communicator.size} ranks: "
                "every rank needs a chain"
            )
        if error := sampler.error(ansatz, hamiltonian.space):
            raise InputError(f"sampler.{error}")
        if isinstance(hamiltonian, SpinHamiltonian) and (error := term_error(hamiltonian)):
            raise InputError(f"hamiltonian.{error}")
        self.view = RealView(ansatz)
        self.components = n_components(ansatz, hamiltonian.space)
        if self.components == 1 and needs_signs(hamiltonian):
            raise InputError("ansatz: where positions are exchanged log psi must be complex, with the sign of psi")
        n_rows = sampler.n_samples * self.components
        self.optimizer, self.reason = optimizer.chosen(n_rows, self.view.size)
        self.share = self.communicator.share(sampler.n_chains)
        self.chains = jnp.arange(self.share.start, self.share.stop)
        self.blocks = blocks_per_chain(sampler.n_chains, sampler.samples_per_chain)
        self.sizes = {
            "n_chains": sampler.n_chains,
            "blocks": self.blocks,
            "components": self.components,
            "chunk_size": chunk_size,
        }

    def initial_state(self) -> State:
        """The state before step 0: the parameters of the ansatz and chains at random configurations."""
        theta = self.view.flatten(self.ansatz)
        x = self.sampler.start(self.hamiltonian.space, stream(self.seed, START), self.chains)
        window = np.zeros((0, 2, self.sampler.n_chains))
        return State(0, theta, x, self.optimizer.init(theta), 0.0, window)

    def restore(self, result: Result) -> State:
        """The state that a result ended in, its chains divided over the ranks of this run.

        Raises `InputError` if its disorder, parameters, chains or optimiser state are not those of this run.
        """
        self._check_instance(result)
        saved = result.state
        try:
            theta = self.view.from_named(result.parameters)
            average = self.view.from_named(result.averaged) if result.averaged and self.average_steps > 1 else None
            state = restored(saved, theta, average, self.optimizer.init(theta), self.share)
        except ValueError as error:
            raise InputError(f"the result does not fit: {error}") from error
        space, key = self.hamiltonian.space, stream(self.seed, START)
        expected = eqx.filter_eval_shape(self.sampler.start, space, key, jnp.arange(self.sampler.n_chains))
        found = saved["chains"].shape, saved["chains"].dtype
        if found != (expected.shape, expected.dtype):
            raise InputError(f"the result has chains of shape and type {found}, not {(expected.shape, expected.dtype)}")
        return state

    def step(self, state: State, wishes: Wishes) -> tuple[State, dict[str, float], np.ndarray]:
        """One step: the new state, the row of the history without its time, and the sum of the wishes of all ranks.

        One Allreduce, and the broadcast of the new parameters; clipping and a natural gradient add their own.

        Raises `RunError` on every rank if an energy, the gradient or a parameter is not finite.
        """
        sampler, theta = self.sampler, jnp.asarray(state.theta)
        ansatz = self.view.build(theta)
        key = jax.random.fold_in(stream(self.seed, TRAIN), state.step)
        x_before, extra = self._chains(state)
        samples, x, info = sample(sampler, ansatz, key, self.chains, x_before, jnp.asarray(extra))
        energies = local_energies(self.hamiltonian, ansatz, samples, self.chunk_size)
        shift = jnp.asarray(state.shift)
        used, mean = clipped(self.communicator, energies, sampler.n_samples, self.optimizer.clip)
        local = local_sums(self.view, theta, samples, energies, used, shift, info, self.chains, **self.sizes)
        sums = reduce_step(self.communicator, wishes, local, sampler.n_chains, self.blocks, self.view.size)
        self._check_finite(sums.blocks, state.step)
        statistics = energy_statistics(sums.blocks, state.shift, sampler.samples_per_chain)
        mean = complex(statistics.energy, statistics.energy_imaginary) if mean is None else mean
        energy = np.array([mean.real - state.shift, mean.imag])[: self.components]
        gradient = gradient_from_sums(sums.gradient, energy, sampler.n_samples)
        if not np.all(np.isfinite(gradient)):
            self.communicator.require_finite(local, f"step {state.step}", "the energy gradient")
            raise RunError(f"step {state.step}: the energy gradient of all ranks together is not finite")
        delta_energies = np.asarray(energy_components((used - shift).ravel(), self.components)) - energy
        mean_o = sums.gradient[1:] / sampler.n_samples
        theta, optimizer = self._update(state, samples, delta_energies, mean_o, gradient)
        recent = state.window if x_before is state.x else state.window[:0]
        window = np.concatenate([recent, statistics.deviations[None]])[-WINDOW:]
        rhat, tau = window_diagnostics(window, sampler.samples_per_chain)
        row = {
            "step": float(state.step),
            "energy": statistics.energy,
            "energy_error": statistics.energy_error,
            "variance": statistics.variance,
            "v_score": hamiltonian_v_score(self.hamiltonian, statistics.energy, statistics.variance),
            "rhat": rhat,
            "tau": tau,
            "acceptance": sums.counts[0] / sums.counts[1],
            "gradient_norm": float(np.linalg.norm(gradient)),
        }
        average = state.averaged(theta, self.average_steps)
        after = State(state.step + 1, theta, x, optimizer, statistics.energy, window, average)
        roll_back = self.optimizer.roll_back
        return guarded(state, after, statistics.variance, row["acceptance"], roll_back), row, sums.wishes

    def _chains(self, state: State) -> tuple[jax.Array, int]:
        """The chains that a step begins with, and how many sweeps they are burnt in for."""
        if state.step and self.restart_steps and state.step % self.restart_steps == 0:
            key = jax.random.fold_in(stream(self.seed, RESTART), state.step)
            return self.sampler.start(self.hamiltonian.space, key, self.chains), self.sampler.burn_in
        return state.x, self.sampler.burn_in if state.step == 0 else 0

    def run(
        self,
        steps: int,
        *,
        output: Path | str | Writer | None = None,
        measure_samples: int = 65536,
        measure_burn_in: int = 500,
        snapshot_seconds: float = 60.0,
        max_seconds: float | None = None,
        previous: Result | None = None,
        config: str = "",
        config_hash: str = "",
        on_step: OnStep | None = None,
        signals: Signals | None = None,
    ) -> Result:
        """Optimise up to step `steps`, measure the energy, and return all that came of it; collective.

        With `output`, snapshots go to that file as the run proceeds. `previous` is a result to continue, with the same
        or another Hamiltonian. A stop that was asked for ends the run early with the status "interrupted" and nothing
        measured. `on_step` is called with each row of the history. `signals` are those that count, if they are
        noted already.

        Raises `InputError` if `output` exists and is not what is continued or another process writes it, if
        `previous` does not fit, or if steps are asked of an ansatz without parameters; `RunError` if the run goes
        wrong: then the last good snapshot is kept with the status "failed".
        """
        if steps and not self.view.size:
            raise InputError("the ansatz has no parameters to optimise: [run] steps = 0 measures its energy")
        with ExitStack() as stack:
            if isinstance(output, str | Path):
                path = Path(output)
                output = self.communicator.on_root(lambda: stack.enter_context(Writer(path)))
            state = self.initial_state() if previous is None else self.restore(previous)
            recorder = Recorder(
                self.communicator,
                self.hamiltonian,
                self.view,
                self.seed,
                output,
                config,
                config_hash,
                previous,
                is_direct=self.sampler.is_direct,
                is_positive=self.components == 1,
            )
            recorder.snapshot(state, "running")
            stop_file = None if output is None else output.stop_file
            signals = stack.enter_context(Signals()) if signals is None else signals
            watch = Watch(signals, stop_file, snapshot_seconds, max_seconds, self.communicator.is_root)
            try:
                state, stop = self._optimise(state, steps, recorder, watch, on_step)
                if not stop:
                    recorder.snapshot(state, "running")
                measured = None if stop else self.measure(state, measure_samples, measure_burn_in, watch.wishes)
            except RunError as error:
                raise recorder.failed(error) from error
            result = recorder.snapshot(state, "interrupted" if measured is None else "complete", measured)
            where = "" if stop else " in the measurement, which begins anew when continued"
            watch.ended(result.status == "interrupted", where)
            return result

    def _optimise(
        self, state: State, steps: int, recorder: Recorder, watch: Watch, on_step: OnStep | None
    ) -> tuple[State, bool]:
        """The state after step `steps`, or after the step at which a stop was asked for, and whether it was."""
        began = time.monotonic() - recorder.wall_time
        while state.step < steps:
            before, (state, row, wishes) = state, self.step(state, watch.wishes)
            row["wall_time"] = time.monotonic() - began
            recorder.add(row)
            if state.scale < before.scale:
                recorder.rolled_back(state)
            if on_step is not None:
                on_step(row)
            if wishes[0] > 0:
                return state, True
            if wishes[1] > 0:
                recorder.snapshot(state, "running")
                watch.snapshot_done()
        return state, False

    def measure(
        self, state: State, n_samples: int, burn_in: int, wishes: Wishes = lambda: np.zeros(2)
    ) -> dict[str, Any] | None:
        """The energy at the final parameters of a state, by `nqs.measure.measure_energy`; None if it was stopped."""
        ansatz, key = self.view.build(jnp.asarray(state.final)), stream(self.seed, MEASURE)
        space, communicator = self.hamiltonian.space, self.communicator
        sampling = SamplingPass(
            space, self.sampler, communicator, n_samples, burn_in, lambda: communicator.sum(wishes())[0] > 0
        )
        return measure_energy(self.hamiltonian, ansatz, sampling, key, self.chunk_size)

    def _update(self, state: State, samples, delta_energies, mean_o, gradient) -> tuple[np.ndarray, Any]:
        direction, natural = gradient, self.optimizer.natural
        if isinstance(natural, NaturalGradient):
            x = samples.reshape(-1, *samples.shape[2:])
            n_samples, chunk_size = self.sampler.n_samples, self.chunk_size
            batch = Batch(
                state.step, self.view, state.theta, x, delta_energies, mean_o, gradient / 2, n_samples, chunk_size
            )
            direction = natural.direction(self.communicator, batch, state.optimizer[1])
        theta, optimizer = state.theta, state.optimizer
        if self.communicator.is_root and direction is not None:
            theta, optimizer = self.optimizer.update(direction, optimizer, theta, state.scale)
        theta = self.communicator.broadcast(theta)
        if not np.all(np.isfinite(theta)):
            raise RunError(f"step {state.step}, rank 0: a parameter is not finite after the update")
        return theta, optimizer

    def _check_instance(self, previous: Result) -> None:
        for name, values in self.hamiltonian.instance().items():
            if not np.array_equal(previous.instance.get(name, np.nan), values):
                raise InputError(f"the {name} are not those of the result that is to be continued")

    def _check_finite(self, blocks: np.ndarray, step: int) -> None:
        bad = np.flatnonzero(~np.isfinite(blocks).all(axis=(0, 2)))
        if len(bad):
            rank = self.communicator.owner(int(bad[0]), self.sampler.n_chains)
            raise RunError(f"step {step}, rank {rank}: the energy of chain {bad[0]} is not finite")

"""Collects the history of a run and puts snapshots into its file."""

import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from nqs import results
from nqs.continuation import saved
from nqs.errors import InputError, RunError
from nqs.files import NotFlushed
from nqs.guards import energy_bound, measured_warnings, sign_warnings, step_warnings, without_measured
from nqs.local_energy import Hamiltonian
from nqs.parallel import Communicator
from nqs.parameters import RealView
from nqs.provenance import describe_launch, ended
from nqs.results import FAILED, Result, Status
from nqs.state import State
from nqs.text import with_error
from nqs.user_source import changed_sources
from nqs.writer import Writer

logger = logging.getLogger("nqs")

# Kinds of warnings that are logged each time.
REPEATED = ("snapshot", "roll_back")


class Recorder:
    """The record of one launch, continuing that of `previous`; `writer` is with rank 0 only, None without a file.

    `is_direct` says that the samples do not come from Markov chains, `is_positive` that ψ > 0.

    Raises `InputError` if the file exists and is not what is continued.
    """

    def __init__(
        self,
        communicator: Communicator,
        hamiltonian: Hamiltonian,
        view: RealView,
        seed: int,
        writer: Writer | None,
        config: str,
        config_hash: str,
        previous: Result | None,
        *,
        is_direct: bool,
        is_positive: bool,
    ):
        self._communicator, self._hamiltonian, self._view, self._writer = communicator, hamiltonian, view, writer
        self._config, self._config_hash = config, config_hash
        communicator.on_root(lambda: _check_continues(writer, previous))
        self._is_direct = is_direct
        self._bound = energy_bound(hamiltonian)
        self._earlier = () if previous is None else previous.provenance
        self._warnings = [] if previous is None else [w for w in previous.warnings if w["kind"] != FAILED]
        self._launch = {**describe_launch(communicator, seed, hamiltonian, view.rest), "snapshot_seconds": 0.0}
        if communicator.is_root and self._earlier:
            for name in changed_sources(self._earlier[-1], self._launch):
                logger.warning("the source of the %s has changed since the last launch", name)
        history = results.empty_history() if previous is None else previous.history
        self._columns = {name: list(values) for name, values in history.items()}
        self._measured = {} if previous is None else previous.measured
        self._observables = {} if previous is None else previous.observables
        self._last: Result | None = None
        self._warn(sign_warnings(hamiltonian, is_positive))

    @property
    def wall_time(self) -> float:
        """Seconds that earlier launches took up to the last recorded step."""
        times = self._columns["wall_time"]
        return times[-1] if times else 0.0

    def add(self, row: dict[str, float]) -> None:
        """Record a step; what was measured before belongs to other parameters."""
        self._measured, self._observables = {}, {}
        self._warnings = without_measured(self._warnings)
        for name, values in self._columns.items():
            values.append(row[name])
        self._warn(step_warnings(self._columns, self._bound, self._is_direct))

    def rolled_back(self, state: State) -> None:
        """Say that the run goes on from the last good parameters."""
        good = state.good.step if state.good else 0
        self._warn([("roll_back", f"the variance exploded: back to step {good}, with {state.scale:g} of each change")])

    def snapshot(self, state: State, status: Status, measured: dict[str, Any] | None = None) -> Result:
        """The result as it stands, also written to the file; collective. The chains are with rank 0 only.

        The seconds that all snapshots before it took are in the provenance.

        Raises `RunError` if the file of a run that ends cannot be written; one that goes on tries again later.
        """
        began = time.monotonic()
        state_to_save = saved(state, self._communicator.gather)
        launch = self._launch if status == "running" else ended(self._launch)
        if measured is not None:
            self._warn(measured_warnings(measured, self._bound, self._is_direct))
        result = Result(
            status=status,
            config=self._config,
            config_hash=self._config_hash,
            energy_unit=self._hamiltonian.energy_unit,
            provenance=(*self._earlier, launch),
            history={name: np.array(values, dtype=np.float64) for name, values in self._columns.items()},
            parameters=self._view.named(state.theta),
            averaged={} if state.average is None else self._view.named(state.average),
            state=state_to_save,
            measured=measured or self._measured,
            warnings=tuple(self._warnings),
            instance=self._hamiltonian.instance(),
            observables=self._observables,
            ansatz=self._view.build(jnp.asarray(state.final)),
        )
        self._communicator.on_root(lambda: self._write(result))
        seconds = self._launch["snapshot_seconds"] + time.monotonic() - began
        self._launch = {**self._launch, "snapshot_seconds": seconds}
        return result

    def failed(self, error: RunError) -> RunError:
        """Mark the last snapshot, which is good, as that of a run that failed for this reason; the error that says so.

        Collective.
        """
        return RunError(str(error) + self._communicator.from_root(lambda: self._mark_as_failed(str(error))))

    def _mark_as_failed(self, reason: str) -> str:
        last, writer = self._last, self._writer
        if last is None or writer is None:
            return ""
        self._warnings.append({"kind": FAILED, "step": len(self._columns["step"]), "message": reason})
        provenance, warnings = (*self._earlier, ended(self._launch)), tuple(self._warnings)
        try:
            self._write(replace(last, status="failed", provenance=provenance, warnings=warnings))
        except RunError as unwritten:
            return f"; and {unwritten}"
        return f"; {writer.path} keeps the last good snapshot, of {last.n_steps} steps"

    def _write(self, result: Result) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(result)
            self._last = result
        except NotFlushed as error:
            self._last = result
            self._warn([("snapshot", f"{self._writer.path}: {error.strerror}")])
        except OSError as error:
            path, reason = self._writer.path, error.strerror or error
            text = f"{path}: a snapshot of {result.n_steps} steps could not be written ({reason})"
            kept = f"; the one of {self._last.n_steps} steps is intact" if self._last is not None else ""
            if result.status != "running":
                energy = result.measured and with_error(result.measured["energy"], result.measured["energy_error"])
                lost = f"; the measured energy was {energy} {result.energy_unit}" if energy else ""
                raise RunError(text + kept + lost) from error
            self._warn([("snapshot", f"{text}{kept}; the run goes on")])

    def _warn(self, found: Iterable[tuple[str, str]]) -> None:
        known = {warning["kind"] for warning in self._warnings}
        step = len(self._columns["step"])
        for kind, text in found:
            if kind in known and kind not in REPEATED:
                continue
            if kind not in known:
                self._warnings.append({"kind": kind, "step": step, "message": text})
            if self._communicator.is_root:
                logger.warning("after %d steps: %s", step, text)


def _check_continues(writer: Writer | None, previous: Result | None) -> None:
    found = None if writer is None else writer.existing()
    if writer is None or found is None:
        return
    if previous is None:
        path = str(writer.path)
        raise InputError(
            f"{path} exists: give another name, or continue it; nqs run does, a script with previous=nqs.load({path!r})"
        )
    if not np.array_equal(found.history["wall_time"], previous.history["wall_time"]):
        raise InputError(f"{writer.path} exists and is not the result that is to be continued")

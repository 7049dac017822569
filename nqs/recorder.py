"""Collects the history of a run and puts snapshots into its file."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from hamiltonians.spin import SpinHamiltonian
from nqs import results
from nqs.optimizer import state_arrays
from nqs.parallel import Communicator
from nqs.parameters import RealView
from nqs.provenance import describe_launch, ended
from nqs.results import Result, Status
from nqs.state import State


class Recorder:
    """The record of one launch, continuing that of `previous`; `path` may be None for a run without a file."""

    def __init__(
        self,
        communicator: Communicator,
        hamiltonian: SpinHamiltonian,
        view: RealView,
        seed: int,
        path: Path | None,
        config: str,
        config_hash: str,
        previous: Result | None,
    ):
        self._communicator, self._hamiltonian, self._view = communicator, hamiltonian, view
        self._path, self._config, self._config_hash = path, config, config_hash
        self._earlier = () if previous is None else previous.provenance
        self._launch = describe_launch(communicator, seed)
        history = results.empty_history() if previous is None else previous.history
        self._columns = {name: list(values) for name, values in history.items()}
        self._last: Result | None = None
        if path is not None and communicator.is_root:
            path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def wall_time(self) -> float:
        """Seconds that earlier launches took up to the last recorded step."""
        times = self._columns["wall_time"]
        return times[-1] if times else 0.0

    def add(self, row: dict[str, float]) -> None:
        """Record a step."""
        for name, values in self._columns.items():
            values.append(row[name])

    def snapshot(self, state: State, status: Status, measured: dict[str, float] | None = None) -> Result:
        """The result as it stands, also written to the file; collective. The chains are with rank 0 only."""
        chains = self._communicator.gather(np.asarray(state.x))
        launch = self._launch if status == "running" else ended(self._launch)
        result = Result(
            status=status,
            config=self._config,
            config_hash=self._config_hash,
            energy_unit=self._hamiltonian.energy_unit,
            provenance=(*self._earlier, launch),
            history={name: np.array(values, dtype=np.float64) for name, values in self._columns.items()},
            parameters=self._view.named(state.theta),
            state={
                "step": state.step,
                "chains": chains,
                "energy_shift": state.shift,
                "window": state.window,
                "optimizer": state_arrays(state.optimizer),
            },
            measured=measured or {},
            instance=self._hamiltonian.instance(),
            ansatz=self._view.build(jnp.asarray(state.theta)),
        )
        self._write(result)
        return result

    def failed(self) -> None:
        """Mark the last snapshot, which is good, as that of a run that failed."""
        if self._last is not None:
            self._write(replace(self._last, status="failed", provenance=(*self._earlier, ended(self._launch))))

    def _write(self, result: Result) -> None:
        self._last = result
        if self._path is not None and self._communicator.is_root:
            results.write(self._path, result)

"""`nqs run`: from a command line to a result, on all ranks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nqs import run_file, text
from nqs.errors import InputError, RunError
from nqs.parallel import Communicator, connect
from nqs.schema import Config

if TYPE_CHECKING:
    from nqs.driver import VMC
    from nqs.results import Result

T = TypeVar("T")
STOPPED = 75


def run(path: Path, overrides: dict[str, str], *, is_fresh: bool, is_dry: bool) -> int:
    """The exit code of a run; a rank that fails in an unforeseen way ends all of them."""
    try:
        communicator = connect()
    except InputError as error:
        return _say(error, 2)
    try:
        return _run(communicator, path, overrides, is_fresh, is_dry)
    except InputError as error:
        return _say(error if communicator.is_root else None, 2)
    except RunError as error:
        return _say(error if communicator.is_root else None, 1)
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        communicator.abort(error)


def _run(communicator: Communicator, path: Path, overrides: dict[str, str], is_fresh: bool, is_dry: bool) -> int:
    config = _on_root(communicator, lambda: run_file.read(path, overrides))
    output = Path(config.run.output or "")
    from nqs.build import build_vmc

    vmc = build_vmc(config, communicator)
    if is_dry:
        if communicator.is_root:
            _print_plan(config, vmc)
        return 0
    previous = _on_root(communicator, lambda: _previous(output, config, is_fresh))
    if previous is not None and previous.status == "complete" and previous.n_steps >= config.run.steps:
        if communicator.is_root:
            _print_result(output, previous, "complete already; a longer run.steps continues it")
        return 0
    if communicator.is_root:
        _print_header(config, vmc, previous)
    from nqs.progress import ProgressReport

    start = 0 if previous is None else previous.n_steps
    with ProgressReport(start, config.run.steps, communicator.is_root) as progress:
        result = vmc.run(
            config.run.steps,
            output=output,
            measure_samples=config.measure.n_samples,
            measure_burn_in=config.measure.burn_in,
            snapshot_seconds=config.run.snapshot_seconds,
            max_seconds=config.run.max_seconds,
            previous=previous,
            config=run_file.to_toml(config),
            config_hash=run_file.config_hash(config),
            on_step=progress.step,
        )
    communicator.barrier()
    is_complete = result.status == "complete"
    if communicator.is_root:
        note = "" if is_complete else "stopped before the end; the same command continues it"
        _print_result(output, result, note)
    return 0 if is_complete else STOPPED


def _previous(output: Path, config: Config, is_fresh: bool) -> Result | None:
    """The result to continue, or None to start; with `is_fresh` an old file makes way."""
    if not output.exists():
        return None
    if is_fresh:
        number = next(n for n in range(1, 10**6) if not output.with_suffix(f".{n}{output.suffix}").exists())
        output.rename(output.with_suffix(f".{number}{output.suffix}"))
        return None
    from nqs import results
    from nqs.build import result_config

    previous = results.read(output)
    changes = run_file.difference(result_config(previous, str(output)), config)
    if changes:
        raise InputError(
            f"{output} exists with another configuration ({'; '.join(changes)}): "
            "give another run.output, or --fresh to start over and keep the old file"
        )
    return previous


def _on_root(communicator: Communicator, action: Callable[[], T]) -> T:
    """What an action gives on rank 0, on every rank; its `InputError` is raised on every rank too."""
    outcome = error = None
    if communicator.is_root:
        try:
            outcome = action()
        except InputError as caught:
            error = caught
    outcome, error = communicator.broadcast_object((outcome, error))
    if error is not None:
        raise error
    return outcome


def _say(error: Exception | None, code: int) -> int:
    if error is not None:
        print(f"nqs: {error}", file=sys.stderr, flush=True)
    return code


def _print_plan(config: Config, vmc: VMC) -> None:
    from nqs.memory import step_memory

    print(run_file.to_toml(config))
    print(f"# {vmc.view.size} real parameters")
    print(f"# memory: {text.size(step_memory(vmc))} a rank in a step, beside about 0.5 GB of program")


def _print_header(config: Config, vmc: VMC, previous: Result | None) -> None:
    communicator, sampler = vmc.communicator, vmc.sampler
    optimizer = type(config.optimizer).__name__
    system = vmc.hamiltonian
    print(f"{system.convention}, {system.space.n_sites} sites, energies in the {system.energy_unit}")
    print(f"{type(config.ansatz).__name__}, {vmc.view.size} real parameters; {optimizer}")
    print(f"{sampler.n_chains} chains, {sampler.n_samples} samples a step", end="; ")
    print(f"{communicator.size} ranks x {communicator.threads} threads")
    if previous is not None:
        print(f"continues {config.run.output} after step {previous.n_steps}")
    sys.stdout.flush()


def _print_result(output: Path, result: Result, note: str) -> None:
    from nqs.report import print_report

    print_report([(output, result)])
    print(f"{output}{': ' if note else ''}{note}", flush=True)

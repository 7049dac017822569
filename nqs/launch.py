"""`nqs run`: from a command line to a result, on all ranks."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from nqs import run_file, text
from nqs.command import STOPPED, on_all_ranks
from nqs.jax_start import start_jax
from nqs.job_time import seconds_to_work
from nqs.output import may_fail_to_print
from nqs.parallel import Communicator
from nqs.schema import Config
from nqs.source import read_source, result_to_continue
from nqs.stopping import Signals
from nqs.writer import Writer

if TYPE_CHECKING:
    from nqs.driver import VMC
    from nqs.results import Result


def run(path: Path, overrides: dict[str, str], *, is_fresh: bool, is_dry: bool, log_dir: Path | None = None) -> int:
    """The exit code of a run."""
    began = time.monotonic()
    return on_all_ranks(
        lambda communicator, signals: _run(communicator, signals, path, overrides, is_fresh, is_dry, began), log_dir
    )


def _run(
    communicator: Communicator,
    signals: Signals,
    path: Path,
    overrides: dict[str, str],
    is_fresh: bool,
    is_dry: bool,
    began: float,
) -> int:
    config, source = communicator.from_root(lambda: read_source(path, overrides))
    output = Path(config.run.output or "")
    if is_dry:
        vmc = communicator.agreed(lambda: _vmc(config, communicator, None, source, str(path)))
        if communicator.is_root:
            with may_fail_to_print():
                _print_plan(config, vmc)
        return 0
    previous = None if is_fresh else communicator.from_root(lambda: result_to_continue(output, config))
    if previous is not None and previous.status == "complete" and previous.n_steps >= config.run.steps:
        if communicator.is_root:
            with may_fail_to_print():
                _print_result(output, previous, "complete already; a longer run.steps continues it")
        return 0

    def announce(vmc: VMC) -> None:
        if communicator.is_root:
            with may_fail_to_print():
                _print_header(config, vmc, previous)

    result = carry_out(
        config, communicator, signals, previous, source, str(path), is_fresh=is_fresh, began=began, announce=announce
    )
    is_complete = result.status == "complete"
    if communicator.is_root:
        note = "" if is_complete else "stopped before the end; the same command continues it"
        with may_fail_to_print():
            _print_result(output, result, note)
    return 0 if is_complete else STOPPED


def carry_out(
    config: Config,
    communicator: Communicator,
    signals: Signals,
    previous: Result | None,
    source: Result | None,
    name: str,
    *,
    is_fresh: bool,
    began: float,
    announce: Callable[[VMC], None] = lambda vmc: None,
    label: str = "",
) -> Result:
    """What comes of the run file called `name`: built, optimised and measured, on the ranks of `communicator`.

    It continues `previous`; with `is_fresh` a file that exists is set aside. `source` is a result whose disorder it
    has. `run.max_seconds` counts from `began`. `announce` is called before the first step; `label` names one of
    several runs in the log.

    Raises `InputError` and `RunError`, on all of these ranks.
    """
    vmc = communicator.agreed(lambda: _vmc(config, communicator, previous, source, name))
    with ExitStack() as stack:
        writer = communicator.on_root(lambda: stack.enter_context(Writer(Path(config.run.output or ""))))
        if is_fresh:
            communicator.on_root(lambda: writer and writer.set_aside())
        announce(vmc)
        result = _optimise(config, vmc, writer, previous, signals, began, label)
        communicator.barrier()
    return result


def _vmc(config: Config, communicator: Communicator, previous: Result | None, source: Result | None, name: str) -> VMC:
    start_jax()
    from nqs.build import build_vmc

    return build_vmc(config, communicator, previous or source, name, is_continued=previous is not None)


def _optimise(
    config: Config,
    vmc: VMC,
    writer: Writer | None,
    previous: Result | None,
    signals: Signals,
    began: float,
    label: str,
) -> Result:
    from nqs.progress import ProgressReport

    start, limit = 0 if previous is None else previous.n_steps, config.run.max_seconds
    left = None if limit is None else limit - (time.monotonic() - began)
    if limit is None and vmc.communicator.is_root:
        left = seconds_to_work(os.environ)
    with ProgressReport(start, config.run.steps, rank=vmc.communicator.rank, label=label) as progress:
        return vmc.run(
            config.run.steps,
            output=writer,
            measure_samples=config.measure.n_samples,
            measure_burn_in=config.measure.burn_in,
            snapshot_seconds=config.run.snapshot_seconds,
            max_seconds=left,
            previous=previous,
            config=run_file.to_toml(config),
            config_hash=run_file.config_hash(config),
            on_step=progress.step,
            signals=signals,
        )


def _print_plan(config: Config, vmc: VMC) -> None:
    from nqs.memory import step_memory

    print(run_file.to_toml(config))
    print(f"# {vmc.view.size} real parameters")
    print(f"# memory: {text.size(step_memory(vmc))} a rank in a step, beside about 0.5 GB of program")


def _print_header(config: Config, vmc: VMC, previous: Result | None) -> None:
    communicator, sampler = vmc.communicator, vmc.sampler
    threads = communicator.threads
    optimizer = type(config.optimizer).__name__
    system = vmc.hamiltonian
    print(f"{system.convention}, {text.system_size(system.space)}, energies in {text.unit(system.energy_unit)}")
    print(f"{type(config.ansatz).__name__}, {vmc.view.size} real parameters; {optimizer}")
    print(f"{sampler.n_chains} chains, {sampler.n_samples} samples a step, {sampler.description()}", end="; ")
    print(f"{communicator.size} ranks x {threads.xla} threads, {threads.blas} in dense algebra")
    if vmc.reason:
        print(vmc.reason)
    if previous is not None:
        print(f"continues {config.run.output} after step {previous.n_steps}")
    sys.stdout.flush()


def _print_result(output: Path, result: Result, note: str) -> None:
    from nqs.report import print_report

    print_report([(output, result)])
    print(f"{output}{': ' if note else ''}{note}", flush=True)

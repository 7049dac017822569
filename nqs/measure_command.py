"""`nqs measure`: from a result to its observables, on all ranks."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from nqs import results, run_file
from nqs.ansatz.base import Ansatz
from nqs.build import build_vmc
from nqs.command import STOPPED
from nqs.driver import VMC
from nqs.errors import InputError, RunError
from nqs.files import NotFlushed
from nqs.guards import energy_bound, measured_warnings, without_measured
from nqs.measure_all import measure_observables
from nqs.output import may_fail_to_print
from nqs.parallel import Communicator
from nqs.progress import ProgressReport
from nqs.provenance import describe_launch, ended
from nqs.report import array_lines, print_report
from nqs.results import Result
from nqs.schema import Config
from nqs.stopping import Signals
from nqs.text import system_size, with_error
from nqs.writer import Writer


def measure(
    communicator: Communicator,
    signals: Signals,
    path: Path,
    *,
    n_samples: int | None,
    burn_in: int | None,
    seed: int | None,
    region: Sequence[int] | None,
    lanczos_samples: int | None,
) -> int:
    """The exit code of a measurement of the result at `path`: 0 written, 75 stopped with nothing written.

    What is not given is as in the run file that the result holds. The status, the history, the parameters and the
    state stay as they are. Collective.

    Raises `InputError` if the file is not the result of a run file or another process writes it, `RunError` if an
    estimate is not finite or the result cannot be written.
    """
    communicator.on_root(lambda: _read(path))
    with ExitStack() as stack:
        writer = communicator.on_root(lambda: stack.enter_context(Writer(path)))
        stack.enter_context(ProgressReport(rank=communicator.rank))
        config, result = communicator.from_root(lambda: _read(path))
        vmc = communicator.agreed(lambda: build_vmc(config, communicator, result, str(path), is_continued=True))
        ansatz = communicator.agreed(lambda: _ansatz(vmc, result, path))
        n_samples = config.measure.n_samples if n_samples is None else n_samples
        burn_in = config.measure.burn_in if burn_in is None else burn_in
        seed = config.run.seed if seed is None else seed
        launch = describe_launch(communicator, seed, vmc.hamiltonian, ansatz)
        if communicator.is_root:
            n_chains = vmc.sampler.n_chains
            with may_fail_to_print():
                print(f"{vmc.hamiltonian.convention}, {system_size(vmc.hamiltonian.space)}")
                print(f"{n_samples} samples of {n_chains} chains after {burn_in} sweeps, seed {seed}")
                if lanczos_samples is not None:
                    print(f"{lanczos_samples} samples for the Lanczos step")
        found = measure_observables(
            vmc,
            ansatz,
            n_samples,
            burn_in,
            seed=seed,
            region=region,
            lanczos_samples=lanczos_samples,
            is_stopped=lambda: communicator.sum(np.array([float(bool(signals.reason))]))[0] > 0,
        )
        if found is None:
            if communicator.is_root:
                with may_fail_to_print():
                    print(f"{path}: stopped before the end, nothing is written")
            return STOPPED
        measured, observables = found
        provenance = (*result.provenance, ended(launch))
        found_warnings = [
            {"kind": kind, "step": result.n_steps, "message": text}
            for kind, text in measured_warnings(measured, energy_bound(vmc.hamiltonian), vmc.sampler.is_direct)
        ]
        warnings = (*without_measured(result.warnings), *found_warnings)
        result = replace(result, measured=measured, observables=observables, provenance=provenance, warnings=warnings)
        communicator.on_root(lambda: writer and _write(writer, result))
        communicator.barrier()
    if communicator.is_root:
        with may_fail_to_print():
            for warning in found_warnings:
                print(f"nqs: {warning['message']}", file=sys.stderr)
            print_report([(path, result)])
            for line in array_lines(observables):
                print(line)
    return 0


def _read(path: Path) -> tuple[Config, Result]:
    result = results.read(path)
    if not result.config:
        raise InputError(f"{path}: the result of a script, not of a run file: there nqs.measure_observables does it")
    return run_file.parse_text(result.config, str(path)), result


def _ansatz(vmc: VMC, result: Result, path: Path) -> Ansatz:
    try:
        return vmc.view.build(jnp.asarray(vmc.view.from_named(result.final_parameters)))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _write(writer: Writer, result: Result) -> None:
    try:
        writer.write(result)
    except NotFlushed as error:
        print(f"nqs: {writer.path}: {error.strerror}", file=sys.stderr)
    except OSError as error:
        energy = with_error(result.measured["energy"], result.measured["energy_error"])
        raise RunError(
            f"{writer.path}: could not be written ({error.strerror or error}); what was there is intact; "
            f"the measured energy was {energy} {result.energy_unit}"
        ) from error

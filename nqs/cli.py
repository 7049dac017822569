"""The command `nqs`: what a person types, and which command does it."""

import argparse
import io
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from nqs.arguments import parser, refuse
from nqs.errors import InputError, RunError
from nqs.jax_start import start_jax
from nqs.output import silence

OVERRIDE = re.compile(r"--([a-z_0-9]+(?:\.[A-Za-z_0-9]+)+)(?:=(.*))?$", re.DOTALL)
OVERRIDABLE = ("run", "scan", "submit", "exact")

Overrides = dict[str, str]


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 the run failed, 2 wrong input, 75 stopped before the end, to be continued."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for terminals that have no ±
    words, overrides = _split_overrides(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(words)
    if overrides and options.command not in OVERRIDABLE:
        refuse(f"nqs {options.command}: takes no --{next(iter(overrides))}")
    try:
        sys.exit(_COMMANDS[options.command](options, overrides))
    except InputError as error:
        refuse(str(error))
    except RunError as error:
        print(f"nqs: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        silence()
        print(f"nqs: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def _split_overrides(arguments: list[str]) -> tuple[list[str], Overrides]:
    words, overrides, rest = [], {}, iter(arguments)
    for word in rest:
        match = OVERRIDE.match(word)
        if not match:
            words.append(word)
            continue
        value = match[2] if match[2] is not None else next(rest, None)
        if value is None:
            refuse(f"{word}: a value is missing")
        overrides[match[1]] = value
    return words, overrides


def _run(options: argparse.Namespace, overrides: Overrides) -> int:
    from nqs.launch import run

    return run(options.file, overrides, is_fresh=options.fresh, is_dry=options.dry_run, log_dir=options.log_dir)


def _scan(options: argparse.Namespace, overrides: Overrides) -> int:
    from nqs import scan_command

    if options.list:
        scan_command.list_points(options.file, overrides)
        return 0
    what = scan_command.Options(options.ranks_per_point, options.task, options.fresh)
    return scan_command.scan(options.file, overrides, what, options.log_dir)


def _submit(options: argparse.Namespace, overrides: Overrides) -> int:
    from nqs.submit import Job, submit

    job = Job(options.ranks, options.time, options.partition, options.template, options.ranks_per_point)
    said, notes = submit(options.file, overrides, job, is_dry=options.dry_run)
    for line in notes:
        print(f"nqs: {line}", file=sys.stderr)
    print(said)
    return 0


def _measure(options: argparse.Namespace, _: Overrides) -> int:
    from nqs.command import on_all_ranks

    def command(communicator: Any, signals: Any) -> int:
        start_jax()
        from nqs.measure_command import measure

        return measure(
            communicator,
            signals,
            options.file,
            n_samples=options.samples,
            burn_in=options.burn_in,
            seed=options.seed,
            region=options.region,
            lanczos_samples=options.lanczos_samples,
        )

    return on_all_ranks(command)


def _status(options: argparse.Namespace, _: Overrides) -> int:
    from nqs.status_command import status

    return status(options.files)


def _report(options: argparse.Namespace, _: Overrides) -> int:
    from nqs.report_command import report

    return report(options.files, options.output, options.average)


def _plot(options: argparse.Namespace, _: Overrides) -> int:
    from nqs.plot_command import plot

    what = (options.quantity, options.against, options.average)
    return plot(options.files, options.output, *what, is_extrapolated=options.extrapolate)


def _collect(options: argparse.Namespace, _: Overrides) -> int:
    from nqs.collect_command import collect

    return collect(options.file, options.output)


def _exact(options: argparse.Namespace, overrides: Overrides) -> int:
    from nqs.source import read_source

    config, stored = read_source(options.file, overrides)
    start_jax()
    from nqs.exact_energy import exact_lines

    for line in exact_lines(config, str(options.file), stored, options.levels):
        print(line)
    return 0


_COMMANDS: dict[str, Callable[[argparse.Namespace, Overrides], int]] = {
    "run": _run,
    "scan": _scan,
    "submit": _submit,
    "measure": _measure,
    "status": _status,
    "report": _report,
    "plot": _plot,
    "collect": _collect,
    "exact": _exact,
}

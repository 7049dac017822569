"""The command `nqs`: what a person types and sees."""

import argparse
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from nqs.errors import InputError, RunError
from nqs.jax_start import start_jax
from nqs.launcher import is_first_rank
from nqs.output import silence
from nqs.schema_text import describe

OVERRIDE = re.compile(r"--([a-z_0-9]+(?:\.[A-Za-z_0-9]+)+)(?:=(.*))?$", re.DOTALL)

MEASURED = """\
What is measured, where it makes sense for the system (into /observables, each with mean, error, units and long_name):

  magnetisation      <m>, <|m|>, <m^2>, <m^4> of the uniform and, on a bipartite lattice, the staggered magnetisation,
                     and the magnetisation of each site; the transverse one where the magnetisation is free
  correlation        <s_i s_(i+r)> along z, averaged over a periodic lattice, for each displacement r
  structure_factor   its Fourier transform, for each momentum of the lattice in units of 2 pi/L
  binder_cumulant    1 - <m^4>/(3 <m^2>^2) of the order that the Hamiltonian favours
  renyi2_entropy     -ln Tr rho_A^2 of a region A, by two replicas and the ratio trick (it takes most of the time)
  fidelity           with the exact ground state, up to 2^16 states; by summation, so that its error is 0

The energy in /measured is replaced by that of the same samples. With the seed, the samples and the burn-in of the run
it is the same energy again. All else in the file stays; nqs report shows the numbers, nqs run drops them when it
continues the result. Stopped by a signal, it writes nothing and exits with 75.
"""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 the run failed, 2 wrong input, 75 stopped before the end, to be continued."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for terminals that have no ±
    words, overrides = _split_overrides(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(words)
    if overrides and options.command not in ("run", "exact"):
        _refuse(f"nqs {options.command}: takes no --{next(iter(overrides))}")
    if options.command == "run":
        from nqs.launch import run

        sys.exit(run(options.file, overrides, is_fresh=options.fresh, is_dry=options.dry_run))
    if options.command == "measure":
        sys.exit(_measure(options))
    try:
        sys.exit(_COMMANDS[options.command](options, overrides))
    except InputError as error:
        _refuse(str(error))
    except RunError as error:
        print(f"nqs: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        silence()
        print(f"nqs: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def _split_overrides(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    words, overrides, rest = [], {}, iter(arguments)
    for word in rest:
        match = OVERRIDE.match(word)
        if not match:
            words.append(word)
            continue
        value = match[2] if match[2] is not None else next(rest, None)
        if value is None:
            _refuse(f"{word}: a value is missing")
        overrides[match[1]] = value
    return words, overrides


def _parser() -> argparse.ArgumentParser:
    text = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog="nqs", description="Variational Monte Carlo with neural quantum states.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        formatter_class=text,
        help="optimise a wave function: nqs run FILE, or mpirun -n 4 nqs run FILE",
        description="Optimise the wave function of a run file and measure its energy.\n\n"
        "A result that exists is continued if its configuration is the same (run.steps may be longer).\n"
        "Any key can be overridden: --hamiltonian.transverse_field 0.5 --run.steps 100",
        epilog="The run file:\n\n" + describe(),
    )
    run.add_argument("file", type=Path, metavar="FILE", help="run file (TOML), or a result to continue or rerun")
    run.add_argument("--fresh", action="store_true", help="start over; an existing result is kept under another name")
    run.add_argument(
        "--dry-run", action="store_true", help="print the resolved file, parameters and memory; run nothing"
    )

    measure = commands.add_parser(
        "measure",
        formatter_class=text,
        help="measure the energy and observables: nqs measure RESULT, or mpirun -n 4 nqs measure RESULT",
        description="Sample the final wave function of a result anew and write its energy and its observables into it.",
        epilog=MEASURED,
    )
    measure.add_argument("file", type=Path, metavar="RESULT", help="result file (HDF5) that no run is writing")
    measure.add_argument(
        "--samples",
        type=_at_least(1),
        metavar="N",
        help="samples, all ranks together, rounded up to whole steps of the sampler; measure.n_samples if not given",
    )
    measure.add_argument(
        "--burn-in",
        type=_at_least(0),
        metavar="N",
        help="sweeps before the first sample; measure.burn_in if not given",
    )
    measure.add_argument(
        "--seed", type=_at_least(0), metavar="N", help="another one gives independent samples; run.seed if not given"
    )
    measure.add_argument(
        "--region",
        type=_sites,
        metavar="SITES",
        help="sites of the entropy, as 0-9 or 0,1,4-6; the first half if not given",
    )

    report = commands.add_parser("report", help="print energies, errors and diagnostics of results")
    report.add_argument("files", type=Path, nargs="+", metavar="RESULT", help="result file (HDF5)")

    plot = commands.add_parser("plot", help="draw the history of a result")
    plot.add_argument("file", type=Path, metavar="RESULT", help="result file (HDF5)")
    plot.add_argument("-o", "--output", type=Path, help="picture; beside the result, .png, if not given")

    exact = commands.add_parser("exact", help="exact energies of a run file and of the sector of its ansatz")
    exact.add_argument("file", type=Path, metavar="FILE", help="run file (TOML), or a result")
    exact.add_argument("--levels", type=int, default=1, help="number of lowest levels, by Lanczos (default 1)")
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) < 2**32:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, not {text!r}")
        return int(text)

    return number


def _sites(text: str) -> tuple[int, ...]:
    """The sites of a region, "0-9" or "0,1,4-6"."""
    sites = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,7})(?:-(\d{1,7}))?", part)
        if not match:
            raise argparse.ArgumentTypeError(f"{text!r} is no list of sites such as 0-9 or 0,1,4-6")
        sites += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(sites)


def _measure(options: argparse.Namespace) -> int:
    from nqs.command import on_all_ranks

    def command(communicator: Any, signals: Any) -> int:
        start_jax()
        from nqs.measure_command import measure

        return measure(
            communicator, signals, options.file, options.samples, options.burn_in, options.seed, options.region
        )

    return on_all_ranks(command)


def _report(options: argparse.Namespace, _: dict[str, str]) -> int:
    from nqs.report import print_report
    from nqs.writer import read

    found, refusals = [], []
    for path in options.files:
        try:
            found.append((path, read(path)))
        except InputError as error:
            refusals.append(f"nqs: {error}")
    if found:
        print_report(found)
    sys.stdout.flush()
    sys.stderr.writelines(f"{refusal}\n" for refusal in refusals)
    return 2 if refusals else 0


def _plot(options: argparse.Namespace, _: dict[str, str]) -> int:
    from nqs.plot import plot_history
    from nqs.writer import read

    picture = options.output or options.file.with_suffix(".png")
    result = read(options.file)
    if result.n_steps == 0:
        raise InputError(f"{options.file}: no step is recorded yet")
    try:
        plot_history(result, f"{options.file.stem} ({result.status})", picture)
    except (OSError, ValueError) as error:
        raise InputError(f"{picture}: cannot be written: {error}") from error
    print(f"{picture}: {result.status}")
    return 0


def _exact(options: argparse.Namespace, overrides: dict[str, str]) -> int:
    from nqs.source import read_source

    config, stored = read_source(options.file, overrides)
    start_jax()
    from nqs.exact_energy import exact_lines

    for line in exact_lines(config, str(options.file), stored, options.levels):
        print(line)
    return 0


_COMMANDS = {"report": _report, "plot": _plot, "exact": _exact}


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, once for all ranks of a launch."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit."""
        _refuse(f"{message}; {self.prog} --help")


def _refuse(message: str) -> NoReturn:
    if is_first_rank():
        print(f"nqs: {message}", file=sys.stderr)
    sys.exit(2)

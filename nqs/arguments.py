"""The words of the command line: which commands and options there are."""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from nqs.launcher import is_first_rank
from nqs.scan_file import ScanTable
from nqs.schema_text import describe, describe_table

SCAN = """\
[scan]
  hamiltonian.transverse_field = {start = 0.5, stop = 1.5, number = 11}      # or step = 0.1, or scale = "log"
  run.seed = [0, 1, 2]

"""

MEASURED = """\
What is measured, where it makes sense for the system (into /observables, each with mean, error, units and long_name):

  magnetisation      <m>, <|m|>, <m^2>, <m^4> of the uniform and, on a bipartite lattice, the staggered magnetisation,
                     and the magnetisation of each site; the transverse one where the magnetisation is free
  correlation        <s_i s_(i+r)> along z, averaged over a periodic lattice, for each displacement r, and for each two
                     sites of a unit cell where there are several; elsewhere <s_i s_j> of any two sites
  structure_factor   its Fourier transform, for each momentum of the lattice in units of 2 pi/L
  binder_cumulant    1 - <m^4>/(3 <m^2>^2) of the order that the Hamiltonian favours
  overlap_distribution
                     P(q) of the overlap q = sum_i x_i x'_i/N of two independent configurations
  renyi2_entropy     -ln Tr rho_A^2 of a region A, by two replicas and the ratio trick (it takes most of the time)
  fidelity           with the exact ground state, of a projected wave function that of its sector, up to 2^16 states;
                     by summation, so that its error is 0
  lanczos_energy, lanczos_variance, lanczos_v_score
                     with --lanczos-samples: of (1 + alpha H) psi at the alpha of the lowest energy, a better wave
                     function than psi; each sample costs as many local energies as H has terms that act on it

of particles:

  *_energy, virial   kinetic energy and the parts of the potential one; of a trap 2T - 2V_trap + V_ee, of the electron
                     gas 2T + V = -r_s dE/dr_s and the correlation energy E - E_HF
  density            of a trap, by the distance from its centre
  orbital_density_matrix, orbital_weight
                     of a trap: the one-body density matrix in oscillator states, and its trace over N
  pair_equal, pair_opposite, structure_factor
                     of a cell: g(r) of two spins, S(k)
  momentum_distribution, density_matrix
                     of a cell: n(k), and the one-body density matrix along r

The energy in /measured is replaced by that of the same samples. With the seed, the samples and the burn-in of the run
it is the same energy again. All else in the file stays; nqs report shows the numbers, nqs run drops them when it
continues the result. Stopped by a signal, it writes nothing and exits with 75.
"""

LOG_DIR = "keep the messages of each rank in FOLDER/rank-N.log, with their times"


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    text = argparse.RawDescriptionHelpFormatter
    top = _Parser(prog="nqs", description="Variational Monte Carlo with neural quantum states.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

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

    run.add_argument("--log-dir", type=Path, metavar="FOLDER", help=LOG_DIR)

    scan = commands.add_parser(
        "scan",
        formatter_class=text,
        help="run all points of a scan: nqs scan FILE, or mpirun -n 8 nqs scan FILE --ranks-per-point 2",
        description="Run what is missing of a scan: a run file with a table [scan] of lists and ranges of its keys.\n\n"
        "Done points are skipped, interrupted and failed ones continued, changed ones named. The results are in one\n"
        "folder, named by their values, with a manifest. Any key can be overridden, as in nqs run.",
        epilog="The table of the scan:\n\n" + SCAN + "\n".join(describe_table("scan", ScanTable)),
    )
    scan.add_argument("file", type=Path, metavar="FILE", help="scan file (TOML), or the folder of a scan")
    scan.add_argument(
        "--ranks-per-point",
        type=_at_least(1),
        metavar="N",
        help="points side by side, N ranks each",
    )
    scan.add_argument("--task", type=_at_least(0), metavar="N", help="one point only, for a job array; see --list")
    scan.add_argument("--fresh", action="store_true", help="start changed points over; the old files are kept")
    scan.add_argument("--log-dir", type=Path, metavar="FOLDER", help=LOG_DIR)
    scan.add_argument("--list", action="store_true", help="print the points and their tasks; run nothing")

    submit = commands.add_parser(
        "submit",
        help="run it as a job of Slurm: nqs submit FILE --ranks 64 --time 4:00:00",
        description="Write the batch script of a run, or of a scan as a job array, and give it to sbatch. A job whose "
        "time ends or that is pre-empted goes on when Slurm starts it again. Any key can be overridden.",
    )
    submit.add_argument("file", type=Path, metavar="FILE", help="run file or scan file (TOML), or a result to continue")
    submit.add_argument(
        "--ranks", type=_at_least(1), required=True, metavar="N", help="ranks of the run, of each point of an array"
    )
    submit.add_argument(
        "--ranks-per-point",
        type=_at_least(1),
        metavar="N",
        help="one job for the whole scan, points side by side, N of its ranks each",
    )
    submit.add_argument("--time", required=True, help="limit of one start, as sbatch reads it: 4:00:00")
    submit.add_argument("--partition", help="the default of the cluster, if not given")
    submit.add_argument(
        "--template",
        type=Path,
        metavar="SCRIPT",
        help="batch script that takes FILE; slurm/run.sbatch or slurm/scan.sbatch, if not given",
    )
    submit.add_argument("--dry-run", action="store_true", help="print the script; write and submit nothing")

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
    measure.add_argument(
        "--lanczos-samples",
        type=_at_least(1),
        metavar="N",
        help="of spins: also the energy after one Lanczos step, from so many samples, rounded up as those of --samples",
    )

    some = "result file (HDF5), run file or scan file (TOML), or folder of a scan"
    status = commands.add_parser("status", help="print what is done, running, interrupted, failed and missing")
    status.add_argument("files", type=Path, nargs="+", metavar="FILE", help=some)

    report = commands.add_parser("report", help="print energies, errors and diagnostics of results")
    report.add_argument("files", type=Path, nargs="+", metavar="FILE", help=some)
    report.add_argument("-o", "--output", type=Path, help="also write the table here (.csv or .h5)")
    average = "over a scanned key, of disorder or twists; of instance, seed, couplings with the error of a sample"
    report.add_argument("--average", metavar="KEY", help=f"means {average}")

    plot = commands.add_parser("plot", help="draw the history of a result, or a quantity of a scan against a key")
    plot.add_argument("files", type=Path, nargs="+", metavar="FILE", help=some)
    plot.add_argument("-o", "--output", type=Path, help="picture; beside the first file, .png, if not given")
    plot.add_argument("--quantity", metavar="NAME", help="a measured number or an observable; energy for a scan")
    plot.add_argument("--against", metavar="KEY", help="scanned key; the first one if not given")
    plot.add_argument("--average", metavar="KEY", help=f"means {average}")
    plot.add_argument("--extrapolate", action="store_true", help="energies against variances, to the variance zero")

    collect = commands.add_parser("collect", help="put a scan into one file that opens as an xarray Dataset")
    collect.add_argument("file", type=Path, metavar="SCAN", help="scan file, or folder of a scan")
    collect.add_argument("-o", "--output", type=Path, help="HDF5 file; beside the folder, .h5, if not given")

    exact = commands.add_parser("exact", help="exact energies of a run file and of the sector of its ansatz")
    exact.add_argument("file", type=Path, metavar="FILE", help="run file (TOML), or a result")
    exact.add_argument("--levels", type=int, default=1, help="number of lowest levels, by Lanczos (default 1)")
    return top


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


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, once for all ranks of a launch."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit."""
        refuse(f"{message}; {self.prog} --help")


def refuse(message: str) -> NoReturn:
    """Say what is wrong, once for all ranks of a launch, and exit with 2."""
    if is_first_rank():
        print(f"nqs: {message}", file=sys.stderr)
    sys.exit(2)

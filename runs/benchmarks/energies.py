"""The energies that the run files of spin models reach, beside the exact ones and those of others.

    python runs/benchmarks/energies.py            the table of the results that are in results/
    python runs/benchmarks/energies.py --run 2    first runs, on two ranks, what is not there or not complete

The relative error is (E − E_exact)/|E_exact|. Published: the weights released with G. Carleo and M. Troyer, Science
355, 602 (2017), evaluated anew; that of 10 x 10 sites at alpha = 8. Exact energies without a closed form are of
Lanczos, that of the Heisenberg model on 10 x 10 sites of quantum Monte Carlo (-0.671549 per site; both as in the
varbench repository, 390a21e). That of the J1-J2 model on 10 x 10 sites is unknown: in its place is the lowest
variational one there (a vision transformer with symmetries, -0.4976763 per site). Its published ones are those of an
RBM with pairs and projections. The other sector of the ring is to reach 1e-3 of the gap of 0.2179 to the ground state.
Where it was measured the energy of the J1-J2 model is that after a Lanczos step. The time is that of the steps.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import nqs

RUNS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Row:
    """A run file, the relative error that it is to reach, if any, that of others, the exact energy of no closed form.

    With `lanczos_samples` the energy is that after a Lanczos step, from so many samples, where it was measured. What
    is run in several stages is run by the commands in its header.
    """

    file: str
    aim: float | None
    published: str
    exact: float | None = None
    lanczos_samples: int = 0
    in_stages: bool = False


ROWS = (
    Row("ising_ring_80_alpha_1", 1e-3, "3.2(1)e-3"),
    Row("ising_ring_80_alpha_2", 5e-5, "8(1)e-5"),
    Row("ising_ring_80_alpha_4", 2e-5, "9(6)e-6"),
    Row("heisenberg_ring_80_alpha_2", 1e-4, "1.0(1)e-4"),
    Row("heisenberg_ring_80_alpha_4", 2e-5, "1.8(5)e-5"),
    Row("heisenberg_ring_20_other_sector", 2.5e-5, "-", -8.6864410),
    Row("heisenberg_square_6", 1e-4, "-", -24.4393974),
    Row("heisenberg_square_10", 1e-3, "1.13(4)e-3", -67.1549),
    Row("j1j2_square_6", 2e-4, "1.9e-5", -18.137148, 16384),
    Row("j1j2_square_6_vit", None, "-", -18.137148, in_stages=True),
    Row("j1j2_square_10", None, "9.4e-5", -49.76763, in_stages=True),
)


def line(row: Row) -> list[str]:
    """The cells of a row; what is not there is a dash."""
    path, aim = Path("results") / f"{row.file}.h5", "-" if row.aim is None else f"{row.aim:.1e}"
    if not path.exists():
        return [row.file, "-", "-", "-", "-", aim, row.published, "not run"]
    result = nqs.load(path)
    if result.status != "complete":
        return [row.file, "-", "-", "-", "-", aim, row.published, result.status]
    measured = result.measured
    reference = measured["reference"] if row.exact is None else row.exact
    value, deviation = measured["energy"], measured["energy_error"]
    score, score_deviation = measured["v_score"], measured["v_score_error"]
    is_step = row.lanczos_samples > 0 and "lanczos_energy" in result.observables
    if is_step:
        step = result.observables["lanczos_energy"]
        value, deviation = float(step.mean), float(step.error)
        step = result.observables["lanczos_v_score"]
        score, score_deviation = float(step.mean), float(step.error)
    distance, error = (value - reference) / abs(reference), deviation / abs(reference)
    minutes = float(result.history["wall_time"][-1]) / 60
    energy = f"{value:.6f} +- {deviation:.6f}"
    relative = f"({distance:.2e}) +- {error:.1e}"
    name = row.file + (" (Lanczos step)" if is_step else "")
    v_score = f"{score:.1e}" + (f" +- {score_deviation:.0e}" if score_deviation > 0 else "")
    return [name, f"{reference:.6f}", energy, relative, v_score, aim, row.published, f"{minutes:.1f} min"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=int, metavar="RANKS", help="run and measure what is missing on so many ranks")
    ranks = parser.parse_args().run
    if ranks:
        for row in (row for row in ROWS if not row.in_stages):
            nqs_on_ranks = ["mpirun", "-n", str(ranks), "nqs"]
            subprocess.run([*nqs_on_ranks, "run", str(RUNS / f"{row.file}.toml")], check=True)
            path = Path("results") / f"{row.file}.h5"
            if row.lanczos_samples and "lanczos_energy" not in nqs.load(path).observables:
                what = ["--region", "0", "--burn-in", "200", "--lanczos-samples", str(row.lanczos_samples)]
                subprocess.run([*nqs_on_ranks, "measure", str(path), *what], check=True)
    head = ["run file", "exact", "energy", "relative error", "V-score", "to reach", "published", "training"]
    lines = np.array([head, *map(line, ROWS)])
    widths = [max(map(len, column)) for column in lines.T]
    for cells in lines:
        sys.stdout.write(
            "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() + "\n"
        )


main()

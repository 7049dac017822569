"""The electron gas of 14 electrons along r_s: the fraction of the correlation energy, the virial theorem, g(r), S(k).

    mpirun -n 2 nqs scan runs/electron_gas_14.toml
    mpirun -n 2 nqs measure "results/electron_gas_14/r_s=5,init_value=1.h5"      and the others, for the rest
    python runs/benchmarks/electron_gas.py            a table, electron_gas.png

E_c = E − E_HF of the cell. Its fraction is of the exact one by full configuration-interaction quantum Monte Carlo (J.
J. Shepherd, G. H. Booth and A. Alavi, J. Chem. Phys. 136, 244101, 2012; the numbers are from memory). The slope −r_s
dE/dr_s, which 2T + V is at a minimum of the energy, is that of E_HF, exactly, and of a parabola of E_c in ln r_s
through the point and its neighbours in the scan, with their errors; the parabola itself adds 0.003 to 0.007 hartree at
r_s = 1, 2, 5.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import nqs
from hamiltonians.electron_gas import ElectronGas
from nqs.results import Observable

FOLDER = Path("results/electron_gas_14")
N_UP = N_DOWN = 7
# E_c of the cell with its error, by r_s.
EXACT = {0.5: (-0.5969, 0.0003), 1.0: (-0.5325, 0.0004), 2.0: (-0.444, 0.001), 5.0: (-0.307, 0.001)}
# Of r_s, for the derivative of E_HF = a/r_s² + b/r_s.
STEP = 1e-4


@dataclass(frozen=True)
class Point:
    """What was measured at one r_s: energies of the cell with errors, in hartree, NaN what was not, and the rest."""

    r_s: float
    energy: tuple[float, float]
    virial: tuple[float, float]
    observables: dict[str, Observable]

    @property
    def correlation(self) -> tuple[float, float]:
        """E_c."""
        return self.energy[0] - hartree_fock(self.r_s), self.energy[1]


def points() -> list[Point]:
    """The results of the scan that are complete, by r_s; of several the newest."""
    found = {}
    for path in sorted(FOLDER.rglob("*.h5"), key=lambda path: path.stat().st_mtime):
        result = nqs.load(path)
        if result.status == "complete":
            r_s, virial = tomllib.loads(result.config)["hamiltonian"]["r_s"], result.observables.get("virial")
            found[r_s] = Point(
                r_s,
                (result.measured["energy"], result.measured["energy_error"]),
                (np.nan, np.nan) if virial is None else (float(virial.mean), float(virial.error)),
                result.observables,
            )
    return [found[r_s] for r_s in sorted(found)]


def hartree_fock(r_s: float) -> float:
    return ElectronGas(N_UP, N_DOWN, r_s).hartree_fock_energy()


def slope(found: list[Point], point: Point) -> tuple[float, float]:
    """−r_s dE/dr_s at one of at least three points, and its error."""
    first = max(0, min(found.index(point) - 1, len(found) - 3))
    near = found[first : first + 3]
    values, errors = np.array([one.correlation for one in near]).T
    at = np.array([0, 1, 2 * np.log(point.r_s)])
    weights = at @ np.linalg.inv(np.vander(np.log([one.r_s for one in near]), 3, increasing=True))
    of_determinant = (hartree_fock(point.r_s * (1 + STEP)) - hartree_fock(point.r_s * (1 - STEP))) / (2 * STEP)
    return -of_determinant - float(weights @ values), float(np.sqrt(weights**2 @ errors**2))


def fraction(point: Point) -> tuple[float, float]:
    """E_c over the exact one, with the errors of both."""
    (value, error), (exact, exact_error) = point.correlation, EXACT[point.r_s]
    return value / exact, abs(value / exact) * float(np.hypot(error / value, exact_error / exact))


def with_error(value: float, error: float, digits: int) -> str:
    return f"{value:.{digits}f} +- {error:.{digits}f}"


def row(found: list[Point], point: Point) -> list[str]:
    """The cells of a point."""
    n = N_UP + N_DOWN
    return [
        f"{point.r_s:g}",
        with_error(point.energy[0] / n, point.energy[1] / n, 5),
        with_error(*point.correlation, 4),
        with_error(*fraction(point), 3) if point.r_s in EXACT else "-",
        with_error(*point.virial, 3) if np.isfinite(point.virial[0]) else "-",
        with_error(*slope(found, point), 3) if len(found) >= 3 else "-",
    ]


def draw(found: list[Point]) -> None:
    """Write the fraction of the correlation energy and 2T + V less the slope against r_s, g(r) and S(k) for each."""
    figure, panels = plt.subplots(2, 2, figsize=(11, 7), layout="constrained")
    axes = panels[:, 0]
    known = [point for point in found if point.r_s in EXACT]
    fractions = np.array([fraction(point) for point in known]).reshape(-1, 2)
    axes[0].errorbar([point.r_s for point in known], *fractions.T, fmt="o", ms=4, capsize=3)
    axes[0].axhline(1, lw=1, color="black")
    axes[0].set_ylabel("fraction of the correlation energy")
    if len(found) >= 3:
        slopes = np.array([slope(found, point) for point in found])
        virials = np.array([point.virial for point in found])
        errors = np.hypot(virials[:, 1], slopes[:, 1])
        axes[1].errorbar([point.r_s for point in found], virials[:, 0] - slopes[:, 0], errors, fmt="o", ms=4, capsize=3)
        axes[1].axhline(0, lw=1, color="black")
    axes[1].set_ylabel("2T + V + r_s dE/dr_s (hartree)")
    for axis in axes:
        axis.set(xlabel="r_s", xscale="log")
        axis.minorticks_off()
        axis.set_xticks([point.r_s for point in found], [f"{point.r_s:g}" for point in found])
    for k, point in enumerate(found):
        curve(panels[0, 1], point, "pair_opposite", f"C{k}-", f"r_s = {point.r_s:g}, opposite spins")
        curve(panels[0, 1], point, "pair_equal", f"C{k}--", "equal spins")
        curve(panels[1, 1], point, "structure_factor", f"C{k}o-", f"r_s = {point.r_s:g}")
    panels[0, 1].set(xlabel="r/r_s", ylabel="g(r)")
    panels[1, 1].set(xlabel="k r_s", ylabel="S(k)")
    for panel in panels[:, 1]:
        panel.legend(fontsize="small")
    figure.savefig("electron_gas.png", dpi=150)


def curve(panel: plt.Axes, point: Point, name: str, style: str, label: str) -> None:
    """Lengths in units of r_s."""
    if name in point.observables:
        values = point.observables[name]
        ((kind, lengths),) = values.axes.items()
        scale = point.r_s if kind == "k" else 1 / point.r_s
        panel.errorbar(scale * lengths, values.mean, values.error, fmt=style, ms=3, lw=1, label=label)


def main() -> None:
    found = points()
    if not found:
        raise SystemExit(f"{FOLDER}: no result; first mpirun -n 2 nqs scan runs/electron_gas_14.toml")
    head = ["r_s", "E/N", "E_c", "fraction", "2T + V", "-r_s dE/dr_s"]
    lines = [head, *(row(found, point) for point in found)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for cells in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    draw(found)


main()

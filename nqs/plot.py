"""Pictures of results: the only file that imports matplotlib."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

os.environ["MPLBACKEND"] = "Agg"  # the import fails at one that it does not know
import matplotlib.pyplot as plt

from nqs.extrapolation import Line
from nqs.results import Result
from nqs.text import with_error

RELATIVE_ERROR = "relative_error"


def plot_history(result: Result, title: str, path: Path) -> None:
    """Write a picture of energy with its error band, variance, acceptance and R-hat against the step."""
    history, unit = result.history, result.energy_unit
    step, energy, error = history["step"], history["energy"], history["energy_error"]
    figure, axes = plt.subplots(3, 1, figsize=(7, 8), sharex=True, height_ratios=(2, 1, 1), layout="constrained")
    reference = result.measured.get("reference", np.nan)
    if np.isfinite(reference) and reference != 0:
        _plot_distance(axes[0], step, energy, error, reference, result)
    else:
        axes[0].fill_between(step, energy - error, energy + error, alpha=0.3, lw=0)
        axes[0].plot(step, energy, lw=1, label="each step")
        axes[0].set_ylabel(f"energy ({unit})")
    if result.measured:
        measured = with_error(result.measured["energy"], result.measured["energy_error"])
        title = f"{title}: E = {measured}"
    axes[0].set_title(title)
    axes[0].legend()
    axes[1].semilogy(step, history["variance"], lw=1)
    axes[1].set_ylabel(f"variance ({unit})²")
    axes[2].plot(step, history["acceptance"], lw=1, color="C0", label="acceptance")
    axes[2].set(ylabel="acceptance", ylim=(0, 1), xlabel="optimisation step")
    right = axes[2].twinx()
    right.plot(step, history["rhat"], lw=1, color="C1", label="R-hat")
    right.set_ylabel("R-hat", color="C1")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _plot_distance(axis, step, energy, error, reference: float, result: Result) -> None:
    """The relative distance to the exact energy: logarithmic, and linear below the error of a step."""
    scale = abs(reference)
    distance = (energy - reference) / scale
    axis.fill_between(step, distance - error / scale, distance + error / scale, alpha=0.3, lw=0)
    axis.plot(step, distance, lw=1, label="each step")
    final = (result.measured["energy"] - reference) / scale
    final_error = result.measured["energy_error"] / scale
    last = step[-1] if len(step) else 0
    axis.errorbar([last], [final], [final_error], fmt="o", color="C3", capsize=3, label="measured")
    noise = np.nanmax([final_error, *error[np.isfinite(error)][-100:] / scale, 1e-12])
    axis.set_yscale("symlog", linthresh=noise)
    axis.axhline(0, lw=0.8, color="black")
    axis.set_ylabel("relative error of the energy")


@dataclass(frozen=True)
class Series:
    """Values with errors against x, and what they have in common; `exact` are the exact ones, NaN where unknown."""

    label: str
    x: np.ndarray
    y: np.ndarray
    errors: np.ndarray
    exact: np.ndarray | None = None


def plot_series(series: list[Series], curves: list[Series], x_label: str, y_label: str, path: Path) -> None:
    """Write a picture of values with error bars against a scanned key, or along an axis, with exact curves.

    Where exact values are known, a second panel has the relative distances from them. A text in the place of a number
    is a category of its own. Relative errors have a logarithmic scale, linear below the median of their error bars.
    """
    known = any(one.exact is not None and np.any(np.isfinite(one.exact)) for one in series)
    n_panels = 2 if known else 1
    size, ratios = (7, 3.5 + 1.5 * n_panels), (2, 1)[:n_panels]
    figure, axes = plt.subplots(n_panels, 1, figsize=size, sharex=True, height_ratios=ratios, layout="constrained")
    panels = np.atleast_1d(axes)
    for curve in curves:
        panels[0].plot(curve.x, curve.y, lw=1, color="black", label=curve.label)
    for number, one in enumerate(series):
        style = {"fmt": "o", "ms": 4, "capsize": 3, "color": f"C{number}"}
        panels[0].errorbar(one.x, one.y, one.errors, label=one.label, **style)
        if known and one.exact is not None:
            scale = np.abs(one.exact)
            panels[1].errorbar(one.x, (one.y - one.exact) / scale, one.errors / scale, **style)
    if known:
        panels[1].axhline(0, lw=1, color="black")
        panels[1].set_ylabel("relative error")
        panels[1].ticklabel_format(axis="y", scilimits=(-2, 2))
    panels[0].set_ylabel(y_label)
    panels[-1].set_xlabel(x_label)
    errors = np.concatenate([one.errors for one in series])
    if y_label == RELATIVE_ERROR and np.nanmedian(errors) > 0:
        panels[0].set_yscale("symlog", linthresh=np.nanmedian(errors))
        panels[0].axhline(0, lw=1, color="black")
    if any(one.label for one in [*series, *curves]):
        panels[0].legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_map(values: np.ndarray, x: np.ndarray, y: np.ndarray, names: tuple[str, str, str], path: Path) -> None:
    """Write a picture of values, shaped (len(x), len(y)), as colours; `names` are those of x, y and the values."""
    figure, axis = plt.subplots(figsize=(6, 5), layout="constrained")
    mesh = axis.pcolormesh(x, y, values.T, shading="nearest")
    figure.colorbar(mesh, label=names[2])
    axis.set(xlabel=names[0], ylabel=names[1])
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_extrapolation(points: Series, line: Line, exact: float, unit: str, path: Path) -> None:
    """Write a picture of energies against variances, with the line to the variance zero; `exact` is NaN or drawn."""
    figure, axis = plt.subplots(figsize=(7, 5), layout="constrained")
    axis.errorbar(points.x, points.y, points.errors, fmt="o", ms=4, capsize=3, label=points.label)
    ends = np.array([0, np.max(points.x)])
    axis.plot(ends, line.energy + line.slope * ends, lw=1, color="C0")
    label = f"E = {with_error(line.energy, line.energy_error)} at variance 0"
    axis.errorbar([0], [line.energy], [line.energy_error], fmt="s", color="C3", capsize=3, label=label)
    if np.isfinite(exact):
        axis.axhline(exact, lw=1, color="black", label=f"exact, {exact:.10g}")
    axis.set(xlabel=f"variance ({unit})²", ylabel=f"energy ({unit})")
    axis.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)

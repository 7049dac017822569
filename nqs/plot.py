"""Pictures of results: the only file that imports matplotlib."""

import os
from pathlib import Path

import numpy as np

os.environ["MPLBACKEND"] = "Agg"  # the import fails at one that it does not know
import matplotlib.pyplot as plt

from nqs.results import Result
from nqs.text import with_error


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

"""How long nqs and its peers take to a relative error of 1e-3 in the energy, from the start of the process.

    python runs/benchmarks/time_to_accuracy.py                 the Ising ring of 40 sites, an RBM with alpha = 2
    python runs/benchmarks/time_to_accuracy.py ring_20_1       another ring of speed.py

Each side takes natural-gradient steps of 1024 samples, as in speed.py, until the mean energy of the last 20 steps is
within 1e-3 of the exact one, or the time is over. Its learning rate is the fastest of a few for one seed, its chains
and cores are those of CHAINS; then all sides run in turn with further seeds. Medians and ranges of those that arrived.
"""

import argparse
import time
from statistics import median

from speed import NAMES, SETTINGS, ask, start, write

from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice

ACCURACY = 1e-3
RATES = (0.01, 0.02, 0.05, 0.1)
# The fastest for the whole step in speed.py, ring_80_1.
CHAINS = {"nqs": (1024, 2), "netket": (128, 2), "quantax": (1024, 2)}


def seconds(side: str, case: str, rate: float, seed: int, target: float, limit: float) -> tuple[float, int]:
    """From the start of the process, and the steps; infinite if it did not arrive."""
    began = time.perf_counter()
    worker = start(side, case, CHAINS[side], rate, seed)
    answer = ask(worker, f"until {target} {limit}")
    took = time.perf_counter() - began
    worker.communicate()
    return (took if answer["energy"] <= target else float("inf")), int(answer["steps"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", default="ring_40_2", help="ring_N_ALPHA (default ring_40_2)")
    parser.add_argument("--seeds", type=int, default=5, help="counted runs of each side (default 5)")
    parser.add_argument("--limit", type=float, default=100.0, help="seconds of steps of a run (default 100)")
    options = parser.parse_args()
    ring = Lattice("chain", (int(options.case.split("_")[1]),))
    exact = TransverseIsing(ring, transverse_field=1.0).reference_energy()
    target = exact + ACCURACY * abs(exact)
    rates = {}
    for side in SETTINGS:
        tried = {rate: seconds(side, options.case, rate, 0, target, options.limit)[0] for rate in RATES}
        rates[side] = min(RATES, key=tried.__getitem__)
        write(f"{NAMES[side]}: " + ", ".join(f"rate {rate:g} {took:.1f} s" for rate, took in tried.items()))
    found: dict[str, list[tuple[float, int]]] = {side: [] for side in SETTINGS}
    for seed in range(1, options.seeds + 1):
        for side in SETTINGS:
            found[side].append(seconds(side, options.case, rates[side], seed, target, options.limit))
    for side, runs in found.items():
        arrived = [run for run in runs if run[0] < float("inf")]
        text = f"{NAMES[side]}, rate {rates[side]:g}: {len(arrived)} of {len(runs)} runs"
        if arrived:
            times, steps = zip(*arrived, strict=True)
            text += f", {median(times):.1f} s ({min(times):.1f} to {max(times):.1f}), {median(steps):g} steps"
        write(text)


if __name__ == "__main__":
    main()

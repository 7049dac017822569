"""How long nqs and its peers take to a relative error of 1e-3 in the energy.

    python runs/benchmarks/time_to_accuracy.py                 the Ising ring of 40 sites, an RBM with alpha = 2
    python runs/benchmarks/time_to_accuracy.py ring_20_1       another ring of speed.py

Each side takes natural-gradient steps of 1024 samples, as in speed.py, from weights of its own default, until the mean
energy of the last 20 steps is within 1e-3 of the exact one, or the time is over. The clock starts at the first step and
includes the compilation. The learning rate of each side is the fastest of a few for one seed, its chains and cores are
those of CHAINS; then all sides run in turn with further seeds. Medians count those that did not arrive as infinite.
"""

import argparse
from statistics import median

from speed import NAMES, SETTINGS, Setting, ask, start, write

from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice

ACCURACY = 1e-3
RATES = (0.02, 0.05, 0.1, 0.2)
# The right side of NetKet's equations is twice that of the others.
SCALES = {"nqs": 1.0, "netket": 0.5, "quantax": 1.0}
# Of the settings of speed.py those that are fastest for a step of ring_80_1, or as fast as any.
CHAINS: dict[str, Setting] = {
    "nqs": (1024, 2, 2, 0),
    "netket": (1024, 2, 1, 128),
    "quantax": (1024, 2, 1, 0),
}


def arrival(side: str, case: str, rate: float, seed: int, exact: float, limit: float) -> tuple[float, float]:
    """Seconds and steps, infinite if it did not arrive."""
    worker = start(side, case, CHAINS[side], rate * SCALES[side], seed)
    answer = ask(worker, f"until {exact} {ACCURACY * abs(exact)} {limit}")
    worker.communicate()
    return answer["seconds"], answer["steps"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", default="ring_40_2", help="ring_N_ALPHA (default ring_40_2)")
    parser.add_argument("--seeds", type=int, default=5, help="counted runs of each side (default 5)")
    parser.add_argument("--limit", type=float, default=100.0, help="seconds of steps of a run (default 100)")
    options = parser.parse_args()
    if not options.case.startswith("ring_"):
        parser.error(f"{options.case}: the exact energy is known of ring_N_ALPHA alone")
    exact = TransverseIsing(
        Lattice("chain", (int(options.case.split("_")[1]),)), transverse_field=1.0
    ).reference_energy()
    rates = {}
    for side in SETTINGS:
        tried = {rate: arrival(side, options.case, rate, 0, exact, options.limit)[0] for rate in RATES}
        rates[side] = min(RATES, key=tried.__getitem__)
        write(f"{NAMES[side]}: " + ", ".join(f"rate {rate:g} {took:.1f} s" for rate, took in tried.items()))
    found: dict[str, list[tuple[float, float]]] = {side: [] for side in SETTINGS}
    for seed in range(1, options.seeds + 1):
        for side in SETTINGS:
            found[side].append(arrival(side, options.case, rates[side], seed, exact, options.limit))
    for side, runs in found.items():
        times, steps = zip(*runs, strict=True)
        arrived = sum(took < float("inf") for took in times)
        write(
            f"{NAMES[side]}, rate {rates[side]:g}: {arrived} of {len(runs)} runs arrived, "
            f"{median(times):.1f} s ({min(times):.1f} to {max(times):.1f}), {median(steps):g} steps"
        )


if __name__ == "__main__":
    main()

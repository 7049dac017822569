"""nqs and its peers at the same work, in turn in one call: sampling, local energies, natural-gradient step.

    python runs/benchmarks/speed.py                 every case, 5 rounds: a table, speed.h5 and speed.png
    python runs/benchmarks/speed.py ring_80_1       one case
    python runs/benchmarks/speed.py --growth        the Ising ring from N = 20 to 320 and the fitted
                                                    exponents: growth.h5 and growth.png; without settings of
                                                    one core, which are the fastest in none of the cases

The peers are NetKet and, where `pip install quantax` was done, Quantax; jVMC asks for an older JAX than they do. Each
side runs in processes of its own, one after the other for each of its settings (chains x cores x ranks x chunk; ranks
of mpirun, of nqs alone); for each kind of work the one that was fastest in trials counts, and runs again in turn with
those of the others. All draw 1024 samples a step with N proposals between two samples of a chain, in double precision,
and solve the same equations (NetKet with twice the right side, Quantax by eigenvalues with its own shift). A time is
the median of calls in a row for half a second, at least one, after one that is not timed, at the weights with which
training begins. The natural gradient is the fastest step without its own sampling and local energies. A ratio is the
peer's time over that of nqs in the same round; its median stands first, its range beside it. The convolutional network
of the peers is the very function of nqs, whose convolutions are products of matrices: with those of Flax a step of
NetKet took more than ten times as long, in the gradients of single samples. The memory is the peak of a process, or of
all ranks together, with all that it has imported. Of RBMs the last column is the arithmetic that has to be done at
least (3 operations for each pair of a flip and a hidden unit; n^2 (N + M) + n^3/3 for the matrix of n samples and its
factor), by time, over what a product of matrices reaches here.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import h5py
import matplotlib.pyplot as plt
import numpy as np

CASES = ("ring_80_1", "ring_80_4", "square_10_1", "glass_80_1", "ffn_80", "cnn_6")
GROWTH = tuple(f"ring_{n}_1" for n in (20, 40, 80, 160, 320))
# Chains, cores, ranks, and the samples that a peer evaluates at once, 0 for its default; more cores than there are
# count as all.
Setting = tuple[int, int, int, int]
SETTINGS: dict[str, tuple[Setting, ...]] = {
    "nqs": ((128, 2, 1, 0), (1024, 2, 1, 0), (1024, 2, 2, 0)),
    "netket": tuple((n, cores, 1, chunk) for cores, chunk in ((2, 128), (2, 0), (1, 0)) for n in (1024, 128, 16)),
}
if find_spec("quantax"):
    SETTINGS["quantax"] = ((1024, 2, 1, 0), (1024, 1, 1, 0), (1024, 2, 1, 4096))
NAMES = {"nqs": "nqs", "netket": "NetKet", "quantax": "Quantax"}
N_SAMPLES = 1024
SLOW = 20.0  # seconds of a step
WORK = ("sampling", "local energy", "natural gradient", "step", "memory")
PARTS = ("sampling", "local energy", "step")
WORKER = Path(__file__).with_name("speed_worker.py")

Rounds = dict[str, np.ndarray]


def measured(case: str, n_rounds: int, least_cores: int) -> dict[str, tuple[str, Rounds]]:
    """For each side its best settings, by a trial of those with so many cores, and what they took in rounds in turn."""
    trials = {side: dict(tried(side, case, least_cores)) for side in SETTINGS}
    best = {(side, work): min(found, key=lambda s: found[s][work]) for side, found in trials.items() for work in PARTS}
    figures: dict[str, Rounds] = {side: {} for side in SETTINGS}
    for work in PARTS:
        workers = {side: start(side, case, best[side, work]) for side in SETTINGS}
        rounds: dict[str, list[dict[str, float]]] = {side: [] for side in SETTINGS}
        for worker in workers.values():
            ask(worker, "warm")
        for _ in range(n_rounds):
            for side, worker in workers.items():
                rounds[side].append(ask(worker, "time" if work == "step" else work))
        for side, worker in workers.items():
            whole = {name: np.array([answer[name] for answer in rounds[side]]) for name in rounds[side][0]}
            figures[side][work] = whole[work]
            if work == "step":
                figures[side]["natural gradient"] = whole["step"] - whole["sampling"] - whole["local energy"]
                figures[side]["memory"] = whole["memory"]
            worker.communicate()
    return {
        side: (", ".join(f"{work} {' x '.join(map(str, best[side, work]))}" for work in PARTS), figures[side])
        for side in SETTINGS
    }


def tried(side: str, case: str, least_cores: int) -> Iterator[tuple[Setting, dict[str, float]]]:
    """Each setting of a side and its time for each work, one after the other; the first only where that is slow."""
    for setting in (s for s in SETTINGS[side] if s[1] >= least_cores):
        worker = start(side, case, setting)
        ask(worker, "warm")
        answers = [ask(worker, "time")]
        if answers[0]["step"] < SLOW / 10:
            answers += [ask(worker, "time") for _ in range(2)]
        worker.communicate()
        yield setting, {work: min(answer[work] for answer in answers) for work in answers[0]}
        if answers[0]["step"] > SLOW:
            return


def start(side: str, case: str, setting: Setting, rate: float = 1e-9, seed: int = 0) -> Popen:
    _, _, ranks, _ = setting
    launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    arguments = map(str, (*setting, rate, seed))
    return Popen([*launcher, sys.executable, WORKER, side, case, *arguments], stdin=PIPE, stdout=PIPE, text=True)


def ask(worker: Popen, question: str) -> dict[str, float]:
    """The answer of a worker in JSON."""
    worker.stdin.write(question + "\n")
    worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        raise SystemExit(f"{worker.args}: ended with exit code {worker.wait()}")
    return json.loads(line)


def peak() -> dict[str, float]:
    """What the machine can do: a product of matrices (floating-point operations/s) and a copy (bytes/s)."""
    a = np.random.default_rng(0).normal(size=(1500, 1500))
    b = np.zeros(1 << 24)
    c = np.zeros_like(b)
    product, copy = [], []
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        product.append(time.perf_counter() - start)
        start = time.perf_counter()
        np.copyto(c, b)
        copy.append(time.perf_counter() - start)
    return {"flop/s": 2 * len(a) ** 3 / min(product), "byte/s": 2 * b.nbytes / min(copy)}


def rows(case: str, best: dict[str, tuple[str, Rounds]], flops: float) -> Iterator[list[str]]:
    own = best["nqs"][1]
    for work in WORK:
        unit, scale = ("MB", 1e-6) if work == "memory" else ("ms", 1e3)
        cells = [case, work, f"{scale * np.median(own[work]):.4g} {unit}"]
        if work == "sampling":
            cells[1] += f", {1e-6 * N_SAMPLES * n_sites(case) / np.median(own[work]):.3g}M/s"
        for _, peer in list(best.values())[1:]:
            ratios = peer[work] / own[work]
            spread = f"{np.median(ratios):.3g} ({ratios.min():.3g} to {ratios.max():.3g})"
            cells += [f"{scale * np.median(peer[work]):.4g} {unit}", spread]
        needed = arithmetic(case, work)
        yield [*cells, f"{needed / np.median(own[work]) / flops:.1%}" if needed else ""]


def arithmetic(case: str, work: str) -> float:
    """The operations of an RBM that this work needs at least; 0 where nobody has counted them."""
    _, _, *alpha = case.split("_")
    if not alpha or work == "memory":
        return 0.0
    n = n_sites(case)
    hidden = int(alpha[0]) * n
    flips = 3.0 * N_SAMPLES * n * hidden
    counts = {
        "sampling": flips,
        "local energy": flips,
        "natural gradient": 1.0 * N_SAMPLES**2 * (n + hidden) + N_SAMPLES**3 / 3,
    }
    return counts.get(work, sum(counts.values()))


def n_sites(case: str) -> int:
    kind, size, *_ = case.split("_")
    return int(size) ** (2 if kind in ("square", "cnn") else 1)


def show(cells: list[str]) -> None:
    widths = (12, 22, 12, *(12, 24) * (len(SETTINGS) - 1), 0)
    write("".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def picture(found: dict[str, dict[str, tuple[str, Rounds]]], path: Path) -> None:
    """The ratios to the best peer of each case as bars, with their range."""
    figure, axes = plt.subplots(figsize=(8, 1.5 + 0.6 * len(found)), layout="constrained")
    places = np.arange(len(found))
    for k, work in enumerate(WORK[:4]):
        ratios = [best_peer(best, work) / best["nqs"][1][work] for best in found.values()]
        middle = np.array([np.median(r) for r in ratios])
        spread = np.abs([[r.min() for r in ratios] - middle, [r.max() for r in ratios] - middle])
        axes.barh(places + 0.2 * k - 0.3, middle - 1, 0.18, left=1, xerr=spread, label=work)
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", xlabel="time of the best peer / time of nqs", yticks=places, yticklabels=list(found))
    axes.invert_yaxis()
    figure.legend(loc="outside upper center", ncols=4)
    figure.savefig(path, dpi=150)


def growth_picture(found: dict[str, dict[str, tuple[str, Rounds]]], path: Path) -> None:
    """The times of each work over N, with the exponent of each side in the legend."""
    figure, axes = plt.subplots(1, 4, figsize=(14, 4), layout="constrained", sharex=True)
    sizes = [n_sites(case) for case in GROWTH]
    for ax, work in zip(axes, WORK[:4], strict=True):
        for side in SETTINGS:
            rounds = np.array([np.median(found[case][side][1][work]) for case in GROWTH])
            ax.loglog(sizes, rounds, "o-", label=f"{NAMES[side]}, N^{exponent(sizes, rounds):.2f}")
        ax.set(xlabel="N", title=work)
        ax.set_xticks(sizes, list(map(str, sizes)))
        ax.minorticks_off()
        ax.legend()
    axes[0].set(ylabel="s")
    figure.savefig(path, dpi=150)


def exponent(sizes: list[int], times: np.ndarray) -> float:
    """From the second size on."""
    return np.polyfit(np.log(sizes[1:]), np.log(times[1:]), 1)[0]


def best_peer(best: dict[str, tuple[str, Rounds]], work: str) -> np.ndarray:
    """The times of the peer with the shortest median."""
    return min((rounds[work] for side, (_, rounds) in best.items() if side != "nqs"), key=np.median)


def store(case: str, best: dict[str, tuple[str, Rounds]], limits: dict[str, float], path: Path) -> None:
    """The rounds of a case and what the machine could do in the same call; other cases stay."""
    with h5py.File(path, "a") as file:
        if case in file:
            del file[case]
        file.create_group(case).attrs.update(limits)
        for side, (setting, rounds) in best.items():
            group = file.create_group(f"{case}/{side}")
            group.attrs["setting"] = setting
            for work, values in rounds.items():
                group[work] = values
                group[work].attrs["unit"] = "byte" if work == "memory" else "s"


def stored(path: Path) -> dict[str, dict[str, tuple[str, Rounds]]]:
    """The cases of a file, none if there is no file."""
    if not path.exists():
        return {}
    with h5py.File(path) as opened:
        file: Any = opened
        return {
            case: {
                side: (group.attrs["setting"], {work: values[()] for work, values in group.items()})
                for side, group in file[case].items()
            }
            for case in sorted(file, key=lambda name: ([*CASES, *GROWTH, name].index(name), name))
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--growth", action="store_true", help="the Ising ring from N = 20 to 320")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds (default 5)")
    parser.add_argument(
        "--output",
        type=Path,
        help="OUTPUT.h5, whose other cases stay, and OUTPUT.png (default speed, or growth)",
    )
    options = parser.parse_args()
    output = options.output or Path("growth" if options.growth else "speed")
    limits, found = peak(), stored(output.with_suffix(".h5"))
    peers = [cell for side in SETTINGS if side != "nqs" for cell in (NAMES[side], "ratio")]
    show(["case", "work", "nqs", *peers, "of the peak"])
    for case in GROWTH if options.growth else options.cases:
        found[case] = measured(case, options.rounds, 2 if options.growth else 1)
        for row in rows(case, found[case], limits["flop/s"]):
            show(row)
        for side, (setting, _) in found[case].items():
            write(f"{'':12}{NAMES[side]}, best chains x cores x ranks x chunk: {setting}")
        store(case, found[case], limits, output.with_suffix(".h5"))
        if not options.growth:
            picture(found, output.with_suffix(".png"))
    write(f"machine: {limits['flop/s'] / 1e9:.1f} Gflop/s (matrix product), {limits['byte/s'] / 1e9:.1f} GB/s (copy)")
    if options.growth:
        growth_picture(found, output.with_suffix(".png"))
        sizes = [n_sites(case) for case in GROWTH]
        for side in SETTINGS:
            for work in WORK[:4]:
                times = np.array([np.median(found[case][side][1][work]) for case in GROWTH])
                write(f"{side}: {work} grows as N^{exponent(sizes, times):.2f} from N = {sizes[1]}")


if __name__ == "__main__":
    main()

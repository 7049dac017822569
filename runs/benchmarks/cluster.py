"""What a cluster asks of nqs: how a second rank scales, how much memory minSR takes, how long a start takes.

    python runs/benchmarks/cluster.py               weak scaling, memory and start-up, about nine minutes on two cores

Weak scaling: an Ising ring of 80 sites, RBM alpha = 1, 1024 samples a rank, a core a rank; one rank alone and two
together take turns, in five rounds of 100 steps. The efficiency is the time of one over that of two; the share of the
reduction is a sum over the ranks of as many numbers as a step's, by itself, over the step. Of minSR the rows of the
matrix of n samples are shared by the ranks, its factorisation is not: the one grows as n^2, the other as n^3. Memory:
the peak of minSR steps of a network 80-944-944-1 with 2048 samples over that of steps of sgd, beside the matrix O of
all log-derivatives. Start-up: medians of three, of a run once.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROUNDS, STEPS, SAMPLES = 5, 100, 1024
QUICKSTART = Path(__file__).parents[1] / "quickstart.toml"


def worker(what: str) -> None:
    """Print the figures of one program as JSON, from rank 0."""
    import jax

    import nqs
    from hamiltonians.ising import TransverseIsing
    from hamiltonians.lattice import Lattice

    communicator = nqs.connect()
    hamiltonian = TransverseIsing(Lattice("chain", (80,)), transverse_field=1.0)
    kind, _, size = what.partition(" ")
    optimizer = {"sgd": nqs.sgd(0.01), "minsr": nqs.minsr(0.01)}[kind]
    if size == "large":
        ansatz, samples, steps = nqs.FeedForward(80, (944, 944), key=jax.random.key(0)), 2048, 1
    else:
        ansatz, samples, steps = nqs.RBM(80, 1, key=jax.random.key(0)), SAMPLES * communicator.size, STEPS
    sampler = nqs.Metropolis(nqs.LocalFlip(), 128 * communicator.size, samples, burn_in=0)
    vmc = nqs.VMC(hamiltonian, ansatz, sampler, optimizer, communicator=communicator)
    state, seconds = vmc.initial_state(), []
    for _ in range(steps + 3):
        began = time.perf_counter()
        state = vmc.step(state, lambda: np.zeros(2))[0]
        seconds.append(time.perf_counter() - began)
    memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures = {"parameters": vmc.view.size, "memory": memory, "step": statistics.median(seconds[3:])}
    numbers = np.zeros(2 * vmc.view.size)
    began = time.perf_counter()
    for _ in range(STEPS):
        communicator.sum(numbers)
    figures["reduction"] = (time.perf_counter() - began) / STEPS
    if communicator.is_root:
        sys.stdout.write(json.dumps(figures) + "\n")


def told(what: str, ranks: int) -> dict[str, float]:
    command = ["mpirun", "-n", str(ranks), "--bind-to", "core", sys.executable, __file__, "--worker", what]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def scaling(what: str) -> str:
    rounds = [(told(what, 1), told(what, 2)) for _ in range(ROUNDS)]
    alone, together = (statistics.median(pair[k]["step"] for pair in rounds) for k in range(2))
    efficiencies = [one["step"] / two["step"] for one, two in rounds]
    share = statistics.median(two["reduction"] / two["step"] for _, two in rounds)
    return (
        f"{what}: {1e3 * alone:.1f} ms on one rank, {1e3 * together:.1f} ms on two; efficiency "
        f"{statistics.median(efficiencies):.1%} ({min(efficiencies):.1%} to {max(efficiencies):.1%}); "
        f"reduction of the gradient {share:.2%} of a step"
    )


def seconds_of(*command: str | Path) -> float:
    """The median of three, after one that does not count."""
    return statistics.median([once(*command) for _ in range(4)][1:])


def once(*command: str | Path, **environment: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | environment)
    return time.perf_counter() - began


def seconds_of_a_first_step(program: Path) -> list[float]:
    """A run of one step with a short measurement, from its start to its end: nothing compiled before, then again."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "run", QUICKSTART, "--run.steps", "1", "--measure.n_samples", "1024", "--run.output"]
        cache = {"JAX_COMPILATION_CACHE_DIR": f"{folder}/compiled"}
        return [once(*command, f"{folder}/{number}.h5", **cache) for number in range(2)]


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    for what in ("sgd", "minsr"):
        say(scaling(what))
    plain, natural = told("sgd large", 1), told("minsr large", 1)
    more, whole = natural["memory"] - plain["memory"], 8 * 2048 * natural["parameters"]
    say(
        f"minSR, {natural['parameters']} parameters: a peak of {more / 1e6:.0f} MB more than sgd; "
        f"O is {whole / 1e6:.0f} MB, {whole / more:.0f} times as much"
    )
    program = Path(sys.executable).with_name("nqs")
    say(f"nqs --help: {seconds_of(program, '--help'):.2f} s")
    say(f"import nqs: {seconds_of(sys.executable, '-c', 'import nqs'):.2f} s")
    cold, warm = seconds_of_a_first_step(program)
    say(f"nqs run of the quickstart, one step and its measurement: {warm:.1f} s; {cold:.1f} s if nothing is compiled")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2])
    else:
        main()

"""One side of a comparison in a process of its own: builds it, then times what each line that it reads asks for.

Started as `python speed_worker.py SIDE CASE CHAINS CORES RATE SEED`. "warm" runs everything once; the name of a work
times that, "time" all; "until ENERGY SECONDS" takes steps until the mean energy of the last ones is at most ENERGY or
the time is over. The answer is a line of JSON: seconds by the name of the work, or the number of steps and that mean,
and the peak memory of the process in bytes.
"""

import itertools
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable

# The seconds for which a work is repeated: a step of training follows another, so that a cold start does not count.
ENOUGH = 0.5
# The steps whose energies are averaged.
RECENT = 20


def seconds(call: Callable[[], object]) -> float:
    """The median of the calls that follow one another."""
    times: list[float] = []
    while sum(times) < ENOUGH:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def until(step: Callable[[], float], energy: float, limit: float) -> dict[str, float]:
    """The steps that were needed, and the mean energy of the last ones."""
    recent: list[float] = []
    end = time.perf_counter() + limit
    for n_steps in itertools.count(1):
        recent = [*recent[1 - RECENT :], step()]
        mean = statistics.fmean(recent)
        if (len(recent) == RECENT and mean <= energy) or time.perf_counter() > end:
            return {"steps": n_steps, "energy": mean}
    raise AssertionError


def main() -> None:
    side, case, *rest = sys.argv[1:]
    chains, cores, seed = int(rest[0]), int(rest[1]), int(rest[3])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    answers, sys.stdout = sys.stdout, sys.stderr  # what the libraries print stays out of the answers
    import speed_sides

    sides = {"nqs": speed_sides.by_nqs, "netket": speed_sides.by_netket, "quantax": speed_sides.by_quantax}
    parts = sides[side](case, chains, float(rest[2]), seed)
    for line in map(str.strip, sys.stdin):
        wanted = parts if line == "time" else {line: parts[line]} if line in parts else {}
        if line == "local energy":
            parts["sampling"]()
        figures = {name: seconds(part) for name, part in wanted.items()}
        if line == "warm":
            for part in parts.values():
                part()
        if line.startswith("until "):
            figures = until(parts["step"], *map(float, line.split()[1:]))
        figures["memory"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answers.write(json.dumps(figures) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

"""One side of a comparison in a process of its own: builds it, then times what each line that it reads asks for.

Started as `python speed_worker.py SIDE CASE CHAINS CORES CHUNK RATE SEED`. "warm" runs everything once; the name of a
work times that, "time" all; "until ENERGY DISTANCE SECONDS" takes steps until the mean energy of the last ones is no
further from ENERGY or the time is over. The answer is a line of JSON: seconds by the name of the work, or those to that
end and the steps, infinite seconds if it was not reached, and the peak memory of the process in bytes.
"""

import itertools
import json
import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable

# The seconds for which a work is repeated, at least once.
ENOUGH = 0.5
# The steps whose energies are averaged.
RECENT = 20


def seconds(call: Callable[[], object]) -> float:
    """The median of calls that follow one another, after one that is not timed."""
    call()
    times: list[float] = []
    while sum(times) < ENOUGH:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def until(step: Callable[[], float], energy: float, distance: float, limit: float) -> dict[str, float]:
    """The seconds of the steps, with their compilation, and their number; what diverges does not arrive."""
    from nqs.errors import RunError

    recent: list[float] = []
    start = time.perf_counter()
    for n_steps in itertools.count(1):
        try:
            recent = [*recent[1 - RECENT :], step()]
        except (ArithmeticError, RunError) as error:
            print(f"step {n_steps}: {error}")
            break
        if not math.isfinite(recent[-1]):
            break
        if len(recent) == RECENT and abs(statistics.fmean(recent) - energy) <= distance:
            return {"seconds": time.perf_counter() - start, "steps": n_steps}
        if time.perf_counter() - start > limit:
            break
    return {"seconds": math.inf, "steps": math.inf}


def main() -> None:
    side, case, *rest = sys.argv[1:]
    chains, cores, chunk, seed = (int(rest[i]) for i in (0, 1, 2, 4))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    answers, sys.stdout = sys.stdout, sys.stderr  # what the libraries print stays out of the answers
    import speed_sides

    sides = {"nqs": speed_sides.by_nqs, "netket": speed_sides.by_netket, "quantax": speed_sides.by_quantax}
    parts = sides[side](case, chains, chunk, float(rest[3]), seed)
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

"""One side of a comparison in a process of its own: builds it, then times what each line that it reads asks for.

Started as `python speed_worker.py SIDE CASE CHAINS CORES RANKS CHUNK RATE SEED`, by `mpirun` for several ranks of nqs.
"warm" runs everything once; the name of a work times that, "time" all; "until ENERGY DISTANCE SECONDS" takes steps
until the mean energy of the last ones is no further from ENERGY or the time is over. The answer is a line of JSON:
seconds by the name of the work, or those to that end and the steps, infinite seconds if it was not reached, and the
peak memory of all ranks in bytes.
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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nqs.parallel import Communicator

# The seconds for which a work is repeated, at least once.
ENOUGH = 0.5
# The steps whose energies are averaged.
RECENT = 20


def seconds(call: Callable[[], object], communicator: "Communicator") -> float:
    """The median of calls that follow one another, after one that is not timed; each ends when all ranks have."""
    call()
    times: list[float] = []
    while communicator.broadcast_object(sum(times) < ENOUGH):
        start = time.perf_counter()
        call()
        communicator.barrier()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def until(
    step: Callable[[], float], communicator: "Communicator", energy: float, distance: float, limit: float
) -> dict[str, float]:
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
        if communicator.broadcast_object(time.perf_counter() - start > limit):
            break
    return {"seconds": math.inf, "steps": math.inf}


def main() -> None:
    side, case, *rest = sys.argv[1:]
    chains, cores, ranks, chunk, seed = (int(rest[i]) for i in (0, 1, 2, 3, 5))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    from nqs.parallel import Communicator, connect  # after the cores are chosen, of which NumPy takes threads

    communicator = connect() if side == "nqs" else Communicator()
    answers, sys.stdout = sys.stdout, sys.stderr  # what the libraries print stays out of the answers
    import speed_sides

    sides = {"nqs": speed_sides.by_nqs, "netket": speed_sides.by_netket, "quantax": speed_sides.by_quantax}
    if communicator.size != ranks:
        raise SystemExit(f"{communicator.size} ranks instead of {ranks}")
    parts = sides[side](case, chains, chunk, float(rest[4]), seed)
    while line := communicator.from_root(sys.stdin.readline):
        line = line.strip()
        wanted = parts if line == "time" else {line: parts[line]} if line in parts else {}
        if line == "local energy":
            parts["sampling"]()
        figures = {name: seconds(part, communicator) for name, part in wanted.items()}
        if line == "warm":
            for part in parts.values():
                part()
        if line.startswith("until "):
            figures = until(parts["step"], communicator, *map(float, line.split()[1:]))
        figures["memory"] = sum(communicator.gather_objects(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
        if communicator.is_root:
            answers.write(json.dumps(figures) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()

"""One side of a comparison in a process of its own: builds it, then times what each line that it reads asks for.

Started by speed.py as `python speed_worker.py SIDE CASE CHAINS CORES`. "warm" runs everything once; the name of a work
times that, "time" all. The answer is a line of JSON: seconds by the name of the work, and the peak memory of the
process in bytes.
"""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable

ENOUGH = 0.2


def seconds(call: Callable[[], object]) -> float:
    """The median over up to three calls, fewer where they take long."""
    times: list[float] = []
    while len(times) < 3 and sum(times) < ENOUGH:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    side, case, chains, cores = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    answers, sys.stdout = sys.stdout, sys.stderr  # what the libraries print stays out of the answers
    import speed_sides

    sides = {"nqs": speed_sides.by_nqs, "netket": speed_sides.by_netket, "quantax": speed_sides.by_quantax}
    parts = sides[side](case, chains)
    for line in map(str.strip, sys.stdin):
        wanted = parts if line == "time" else {line: parts[line]} if line in parts else {}
        if line == "local energy":
            parts["sampling"]()
        figures = {name: seconds(part) for name, part in wanted.items()}
        if line == "warm":
            for part in parts.values():
                part()
        figures["memory"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answers.write(json.dumps(figures) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

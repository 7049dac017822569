"""What a scan costs beside its steps: compilations, the time of each point over that of its steps, snapshots.

    python runs/benchmarks/scan_cost.py           a scan of 24 small points on one rank, a few minutes

The time of a point runs from the last write of one result to that of the next, so that building, compiling, a small
measurement, snapshots and writing are in it. Programs that are compiled after the first point are compiled in vain.
"""

import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from nqs import results
from nqs.scan_command import Options, scan
from nqs.scan_state import read_scan

FILE = """\
hamiltonian = {{ kind = "transverse_ising", extent = [20] }}
measure = {{ n_samples = 1024, burn_in = 0 }}
run.steps = 200

[scan]
folder = "{folder}"
hamiltonian.transverse_field = {{ start = 0.5, stop = 1.6, number = 12 }}
run.seed = [0, 1]
"""


def main() -> None:
    compiled: list[float] = []

    def note(name: str, seconds: float, **_: object) -> None:
        if name.endswith("backend_compile_duration"):
            compiled.append(time.time())

    jax.monitoring.register_event_duration_secs_listener(note)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.toml"
        path.write_text(FILE.format(folder=f"{folder}/results"))
        scan(path, {}, Options(None, None, False))
        files = sorted((point.path for point in read_scan(path, {}).points), key=lambda file: file.stat().st_mtime)
        ends = np.array([file.stat().st_mtime for file in files])
        found = [results.read(file) for file in files]
    steps = np.array([result.history["wall_time"][-1] for result in found])
    snapshots = np.array([result.provenance[-1]["snapshot_seconds"] for result in found])
    ratios = np.diff(ends) / steps[1:]
    n_late = np.sum(np.array(compiled) > ends[0])
    print(f"\n{len(found)} points, {len(compiled)} programs compiled, {n_late} of them after the first point")
    for name, values in (
        ("time of the steps of a point (s)", steps),
        ("time of a point / that of its steps, beyond the first", ratios),
        ("snapshots / steps", snapshots / steps),
    ):
        print(f"{name}: median {np.median(values):.3f}, {values.min():.3f} to {values.max():.3f}")


if __name__ == "__main__":
    main()

"""Run by test_files_under_fire: writers of a result that are killed at random moments; imports no JAX.

`writer_program.py FILE N` forks N writers one after the other, kills each, and reads the file after each.
`writer_program.py FILE` writes until it is killed.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from launching import small_result

from nqs import results
from nqs.writer import Writer


def write_forever(path: Path) -> None:
    with Writer(path) as writer:
        found = writer.existing()
        n_steps = 1 if found is None else found.n_steps
        while True:
            n_steps += 1
            writer.write(small_result(n_steps))


path = Path(sys.argv[1])
if len(sys.argv) == 2:
    write_forever(path)
moments, steps = random.Random(0), 0
results.write(path, small_result(1))
for _ in range(int(sys.argv[2])):
    child = os.fork()
    if child == 0:
        write_forever(path)
    time.sleep(moments.uniform(0.02, 0.12))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = results.read(path).n_steps
    assert found >= steps, "a snapshot was lost"
    steps = found
assert "jax" not in sys.modules
with Writer(path):
    left = sorted(name.name for name in path.parent.iterdir())
sys.stdout.write(" ".join([str(steps), *left]))

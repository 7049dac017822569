"""Run by test_files_under_fire: writers of a result that are killed at random moments; imports no JAX.

`writer_program.py FILE N` forks N pairs of writers one after the other. One of a pair is refused; the other is killed,
half of the time before it may have written anything, and the file is read.
`writer_program.py FILE` writes until it is killed.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
from launching import small_result

from nqs import results
from nqs.errors import InputError
from nqs.writer import Writer

REFUSED = 3


def write_forever(path: Path) -> None:
    with Writer(path) as writer:
        found = writer.existing()
        n_steps = 1 if found is None else found.n_steps
        while True:
            n_steps += 1
            writer.write(small_result(n_steps))


def fork_writer(path: Path) -> int:
    child = os.fork()
    if child == 0:
        try:
            write_forever(path)
        except InputError:
            os._exit(REFUSED)
        except BaseException:
            os._exit(1)
    return child


def wait_for_write(path: Path) -> None:
    before = path.stat().st_ino
    while path.stat().st_ino == before:
        time.sleep(0.001)


def race_and_kill(path: Path, moments: random.Random, is_early: bool) -> None:
    """Two writers at once: one of them is refused, and the other is killed."""
    writers = [fork_writer(path), fork_writer(path)]
    refused, status = os.wait()
    assert os.waitstatus_to_exitcode(status) == REFUSED, "two writers at once"
    writers.remove(refused)
    if not is_early:
        wait_for_write(path)
    time.sleep(moments.uniform(0, 0.02))
    os.kill(writers[0], signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(writers[0], 0)[1]) == -signal.SIGKILL


def steps_in(path: Path) -> int:
    found = results.read(path)
    whole = small_result(found.n_steps)
    for name, values in whole.history.items():
        np.testing.assert_array_equal(found.history[name], values)
    for name, values in whole.parameters.items():
        np.testing.assert_array_equal(found.parameters[name], values)
    return found.n_steps


path = Path(sys.argv[1])
if len(sys.argv) == 2:
    write_forever(path)
moments, steps = random.Random(0), 1
results.write(path, small_result(1))
for i in range(int(sys.argv[2])):
    race_and_kill(path, moments, is_early=i % 2 == 0)
    found = steps_in(path)
    assert found >= steps + i % 2, "a snapshot was lost"
    steps = found
assert "jax" not in sys.modules
with Writer(path):
    left = sorted(name.name for name in path.parent.iterdir())
sys.stdout.write(" ".join([str(steps), *left]))

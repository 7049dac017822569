"""The threads of ranks: those that rank 0 has on the cores of others while these wait for it."""

import os
import sys

import pytest
from launching import HERE, start

from nqs.threads import Place, cores_together, dense_algebra_on, may_run_on

UNBOUND = Place("a", (0, 1, 2, 3))


@pytest.mark.parametrize(
    ("places", "sharing", "expected"),
    [
        ([Place("a", (0,)), Place("a", (1,)), Place("b", (0,))], [1, 1, 1], (2, (0, 1))),
        ([UNBOUND] * 4, [4] * 4, (4, (0, 1, 2, 3))),
        ([UNBOUND] * 2, [4] * 2, (2, (0, 1, 2, 3))),
        ([UNBOUND] * 3, [8] * 3, (1, (0, 1, 2, 3))),
        ([Place("a", (0, 1)), Place("a", (0, 1)), Place("a", (2, 3))], [2, 2, 1], (4, (0, 1, 2, 3))),
    ],
    ids=["bound", "unbound", "a group of unbound ones", "more ranks than cores", "two sockets"],
)
def test_cores_of_a_node(places, sharing, expected):
    assert cores_together(places, sharing) == expected


def test_a_thread_comes_back_to_its_cores():
    before = os.sched_getaffinity(0)
    first = min(before)
    assert may_run_on((first,))
    assert not may_run_on((first, 1023))
    with dense_algebra_on((first,), 1):
        assert os.sched_getaffinity(0) == {first}
    assert os.sched_getaffinity(0) == before


@pytest.mark.mpi
@pytest.mark.parametrize(("chosen", "expected"), [((), ["1 1 1", "1 2 1"]), ((1,), ["1 1 1", "1 1 1"])])
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core has nothing to share")
def test_rank_0_takes_the_cores_of_those_that_wait(tmp_path, chosen, expected):
    """The threads of LAPACK on each rank before, while and after it is alone: two ranks, each bound to a core."""
    done = start(sys.executable, HERE / "threads_program.py", *chosen, ranks=2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == expected

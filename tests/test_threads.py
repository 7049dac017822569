"""The threads of ranks: those that rank 0 has on the cores of others while these wait for it."""

import contextlib
import os
import sys

import jax
import pytest
import threadpoolctl
from launching import HERE, start

import nqs
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from nqs.parallel import Communicator
from nqs.threads import Place, cores_together, dense_algebra_on, limit_threads, may_run_on, this_place, worth

FOUR, N_CORES = Place("a", (0, 1, 2, 3)), len(this_place().cores)
moves_threads = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads are not bound to cores here")


@pytest.mark.parametrize(
    ("places", "sharing", "expected"),
    [
        ([Place("a", (0,)), Place("a", (1,)), Place("b", (0,))], [1, 1, 1], (2, (0, 1))),
        ([FOUR] * 4, [4] * 4, (4, (0, 1, 2, 3))),
        ([FOUR] * 2, [4] * 2, (2, (0, 1, 2, 3))),
        ([FOUR] * 3, [8] * 3, (1, (0, 1, 2, 3))),
        ([Place("a", (0, 1)), Place("a", (0, 1)), Place("a", (2, 3))], [2, 2, 1], (4, (0, 1, 2, 3))),
    ],
    ids=["bound", "unbound", "a group of unbound ones", "more ranks than cores", "two sockets"],
)
def test_cores_of_a_node(places, sharing, expected):
    assert cores_together(places, sharing) == expected


def test_a_matrix_is_worth_a_thread_for_each_128_rows():
    assert [worth(n, 1, 64) for n in (10, 256, 1024, 10**5)] == [1, 2, 8, 16]
    assert worth(10**5, 1, 4) == 4
    assert worth(10, 3, 4) == worth(10**5, 3, 3) == 3


@pytest.fixture
def environment(monkeypatch):
    """Without what another test has set."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NQS_BLAS_THREADS"):
        monkeypatch.setenv(name, "1")
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "16")
    before = threadpoolctl.threadpool_limits()
    yield monkeypatch
    before.restore_original_limits()


def test_threads_that_the_user_has_not_chosen_may_grow(environment):
    """Also where a program that connected before has started this one, and shares the cores otherwise."""
    assert limit_threads(1).blas == N_CORES
    again = limit_threads(N_CORES)
    assert (again.blas, again.may_grow) == (1, True)


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"])
def test_threads_that_the_user_has_chosen_stay(environment, name):
    environment.setenv(name, "1")
    for _ in range(2):
        threads = limit_threads(1)
        assert (threads.blas, threads.may_grow) == (1, False)


def test_threads_of_a_lapack_that_would_not_sleep_stay(environment):
    environment.delenv("OPENBLAS_THREAD_TIMEOUT")
    environment.setitem(sys.modules, "scipy.linalg", sys)
    assert not any(limit_threads(1).may_grow for _ in range(2))


@moves_threads
def test_a_thread_comes_back_to_its_cores():
    before = os.sched_getaffinity(0)
    first = min(before)
    assert may_run_on((first,))
    assert not may_run_on((first, 1023))
    with dense_algebra_on((first,), 1):
        assert os.sched_getaffinity(0) == {first}
    assert os.sched_getaffinity(0) == before


@moves_threads
def test_a_thread_that_may_not_move_stays(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    assert may_run_on(this_place().cores)
    assert not may_run_on((1023,))


class Recording(Communicator):
    """The rows of matrices that rank 0 had to itself."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def alone(self, n_rows):
        self.rows.append(n_rows)
        return contextlib.nullcontext()


@pytest.mark.parametrize(("optimizer", "rows"), [(nqs.sr(), 20), (nqs.minsr(), 8)], ids=["sr", "minsr"])
def test_a_natural_gradient_is_solved_alone(optimizer, rows):
    communicator = Recording()
    hamiltonian, ansatz = TransverseIsing(Lattice("chain", (4,))), nqs.RBM(4, key=jax.random.key(0))
    sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=8, n_samples=8, burn_in=1)
    nqs.VMC(hamiltonian, ansatz, sampler, optimizer, communicator=communicator).run(1, measure_samples=8)
    assert communicator.rows == [rows]


@pytest.mark.mpi
@pytest.mark.parametrize(("chosen", "expected"), [((), ["1 1 1", "1 2 1"]), ((1,), ["1 1 1", "1 1 1"])])
@pytest.mark.skipif(N_CORES < 2, reason="one core has nothing to share")
@moves_threads
def test_rank_0_takes_the_cores_of_those_that_wait(tmp_path, chosen, expected):
    """The threads of LAPACK on each rank before, while and after it is alone: two ranks, each bound to a core."""
    done = start(sys.executable, HERE / "threads_program.py", *chosen, ranks=2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == expected

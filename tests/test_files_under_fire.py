"""A result file is always whole: under kills, readers, writes that fail and a second writer."""

import errno
import os
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
from launching import BIN, HERE, MPI_SETTINGS, RANKS, SMALL, nqs, small_result, start

from nqs import files, lock, results
from nqs.errors import InputError, RunError
from nqs.writer import Writer, read


@pytest.mark.parametrize("n_kills", [50, pytest.param(200, marks=pytest.mark.slow)])
def test_kills_leave_a_whole_file_and_one_writer_after_the_other(tmp_path, n_kills):
    done = start(sys.executable, HERE / "writer_program.py", tmp_path / "x.h5", n_kills, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    steps, *left = done.stdout.split()
    assert int(steps) > n_kills // 2
    assert left == ["x.h5", "x.h5.lock"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]


N_READS = 80


def test_reads_while_a_process_writes(tmp_path):
    path = tmp_path / "x.h5"
    results.write(path, small_result(1))
    with subprocess.Popen([sys.executable, HERE / "writer_program.py", path], stderr=subprocess.PIPE) as writer:
        steps, seen = 0, set()
        for _ in range(N_READS):
            found = results.read(path).n_steps
            assert found >= steps
            steps = found
            seen.add(found)
        assert writer.poll() is None
        writer.kill()
        assert writer.stderr is not None
        assert writer.stderr.read() == b""
    assert len(seen) > N_READS // 40


@pytest.mark.slow
def test_10000_reads_beside_a_run_on_three_ranks(tmp_path):
    """A snapshot after nearly every step; the run is stopped and has nothing to say about its readers."""
    path = tmp_path / "x.h5"
    (tmp_path / "small.toml").write_text(SMALL)
    options = ("--run.steps", 10**6, "--run.snapshot_seconds", 0.02, "--run.output", path)
    slow_steps = ("--sampler.n_samples", 10_000, "--optimizer.kind", "sgd")
    command = map(str, (BIN / "mpirun", "-n", 3, BIN / "nqs", "run", "small.toml", *options, *slow_steps))
    environment = {**os.environ, **MPI_SETTINGS}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as run:
        while not path.exists():
            time.sleep(0.1)
        seen = [results.read(path).n_steps for _ in range(10_000)]
        lock.lock_file(path).with_suffix(".stop").touch()
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 75
    assert seen == sorted(seen)
    assert len(set(seen)) > 250
    assert "could not be written" not in errors
    assert "snapshot" not in [warning["kind"] for warning in results.read(path).warnings]
    assert [line for line in errors.splitlines() if line.startswith("nqs:") and "step" not in line] == [
        "nqs: stopping: x.h5.stop exists"
    ]


@pytest.mark.parametrize("ranks", RANKS)
def test_a_second_writer_is_refused_by_name(tmp_path, ranks):
    path = tmp_path / "x.h5"
    with Writer(path):
        with pytest.raises(InputError, match=f"is being written by process {os.getpid()} on"):
            Writer(path)
        run_file = HERE.parent / "runs" / "quickstart.toml"
        done = nqs("run", run_file, "--run.output", path, ranks=ranks, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.count("is being written by process") == 1
        assert lock.is_being_written(path)
    assert not lock.is_being_written(path)
    with Writer(path):
        pass


def test_a_link_is_locked_and_written_as_the_file_that_it_leads_to(tmp_path):
    path, link = tmp_path / "x.h5", tmp_path / "link.h5"
    link.symlink_to(path)
    with Writer(path) as writer:
        writer.write(small_result(1))
        with pytest.raises(InputError, match="is being written"):
            Writer(link)
        assert read(link).status == "running"
    with Writer(link) as writer:
        writer.write(small_result(2))
    assert link.is_symlink()
    assert results.read(path).n_steps == 2
    assert read(link).status == "died"


def test_what_a_dead_writer_left_is_removed_and_that_of_others_is_not(tmp_path):
    """`out.1` is another result than `out`, with a writer of its own."""
    left, other = files.temporary_name(tmp_path / "out"), files.temporary_name(tmp_path / "out.1")
    left.touch()
    other.touch()
    with Writer(tmp_path / "out"):
        assert not left.exists()
        assert other.exists()


def test_a_reader_of_the_lock_is_not_in_the_way_of_a_writer(tmp_path):
    path = tmp_path / "x.h5"
    _foreign(path, host=lock.platform.node(), pid=os.getpid(), started="another time")
    with open(lock.lock_file(path)) as reader:
        lock.fcntl.flock(reader, lock.fcntl.LOCK_SH)
        with Writer(path):
            assert lock.is_being_written(path)


def test_a_live_writer_is_refused_without_kernel_locks_too(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError("not supported")

    monkeypatch.setattr(lock.fcntl, "flock", no_locks)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        _foreign(tmp_path / "x.h5", host=lock.platform.node(), pid=other.pid, started=lock._start_of(other.pid))
        with pytest.raises(InputError, match=f"process {other.pid}"):
            Writer(tmp_path / "x.h5")
        other.kill()
        other.wait()
        with Writer(tmp_path / "x.h5"):
            pass


def _foreign(path, host="elsewhere", pid=1, started="1", job="", restart=0):
    holder = lock.Holder(host, pid, started, job, restart)
    path.with_name(path.name + ".lock").write_text(lock.json.dumps(lock.asdict(holder)))


@pytest.fixture(params=[False, True], ids=["no_kernel_lock", "kernel_lock_across_hosts"])
def held(request, tmp_path):
    """A function that writes the lock of a process on another host, whose kernel lock may reach this one."""
    with ExitStack() as stack:

        def hold(**holder):
            _foreign(tmp_path / "x.h5", **holder)
            if request.param:
                stream = stack.enter_context(open(tmp_path / "x.h5.lock"))
                lock.fcntl.flock(stream, lock.fcntl.LOCK_EX)

        yield hold


def test_a_lock_of_another_host_is_stale_when_its_heartbeat_stops(tmp_path, held):
    path, lock_file = tmp_path / "x.h5", tmp_path / "x.h5.lock"
    held()
    with pytest.raises(InputError, match="process 1 on elsewhere"):
        Writer(path)
    long_ago = time.time() - lock.STALE_SECONDS - 5
    os.utime(lock_file, (long_ago, long_ago))
    with Writer(path):
        assert "elsewhere" not in lock_file.read_text()
    assert list(tmp_path.iterdir()) == []


def test_a_requeued_job_takes_its_lock_over_and_another_job_does_not(tmp_path, monkeypatch, held):
    path = tmp_path / "x.h5"
    held(job="17", restart=0)
    monkeypatch.setenv("SLURM_JOB_ID", "18")
    with pytest.raises(InputError, match="Slurm job 17"):
        Writer(path)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with pytest.raises(InputError, match="Slurm job 17"):
        Writer(path)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with Writer(path):
        pass


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, number):
    path = tmp_path / "x.h5"
    with Writer(path) as writer:
        writer.write(small_result(2))

        def fail(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(files.os, "fsync", fail)
        with pytest.raises(OSError, match=os.strerror(number)):
            writer.write(small_result(3))
        monkeypatch.undo()
        assert results.read(path).n_steps == 2
        assert sorted(file.name for file in tmp_path.iterdir()) == ["x.h5", "x.h5.lock"]
        writer.write(small_result(4))
    assert results.read(path).n_steps == 4


def test_a_folder_that_cannot_be_flushed_is_told_from_a_file_that_cannot_be_written(tmp_path, monkeypatch):
    """The second fsync is that of the folder: the new file is there by then."""
    path = tmp_path / "x.h5"
    with Writer(path) as writer:
        writer.write(small_result(2))
        calls = iter([None, OSError(errno.EIO, os.strerror(errno.EIO))])

        def second_fails(_):
            if (error := next(calls)) is not None:
                raise error

        monkeypatch.setattr(files.os, "fsync", second_fails)
        with pytest.raises(files.NotFlushed, match="the new file is in place, but may not outlive a power failure"):
            writer.write(small_result(3))
        monkeypatch.undo()
        (tmp_path / "x.h5.lock").unlink()
        writer.write(small_result(3))
        assert results.read(path).n_steps == 3


def test_a_file_system_without_hard_links_has_locks_too(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(lock.os, "link", no_links)
    with Writer(tmp_path / "x.h5"):
        with pytest.raises(InputError, match=f"is being written by process {os.getpid()} on"):
            Writer(tmp_path / "x.h5")
        assert [path.name for path in tmp_path.iterdir()] == ["x.h5.lock"]
    with Writer(tmp_path / "x.h5"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_writer_whose_lock_was_taken_over_writes_no_more(tmp_path):
    path = tmp_path / "x.h5"
    with Writer(path) as writer:
        writer.write(small_result(3))
        _foreign(path)
        with pytest.raises(RunError, match="another process has taken over"):
            writer.write(small_result(4))
    assert results.read(path).n_steps == 3
    assert (tmp_path / "x.h5.lock").exists()


def test_a_writer_that_slept_does_not_overwrite_what_was_written_since(tmp_path):
    path = tmp_path / "x.h5"
    with Writer(path) as sleeper:
        sleeper.write(small_result(2))
        (tmp_path / "x.h5.lock").unlink()
        results.write(path, small_result(100))
        with pytest.raises(RunError, match="another process has taken over"):
            sleeper.write(small_result(3))
    assert results.read(path).n_steps == 100


def test_a_lock_that_leads_nowhere_is_refused(tmp_path):
    (tmp_path / "x.h5.lock").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"x\.h5\.lock can neither be made nor opened"):
        Writer(tmp_path / "x.h5")


def test_a_lock_that_is_removed_is_made_again(tmp_path):
    with Writer(tmp_path / "x.h5") as writer:
        writer.write(small_result(2))
        (tmp_path / "x.h5.lock").unlink()
        writer.write(small_result(3))
        with pytest.raises(InputError, match="is being written"):
            Writer(tmp_path / "x.h5")


def test_the_heartbeat_moves_the_time_of_the_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    with Writer(tmp_path / "x.h5"):
        lock_file = tmp_path / "x.h5.lock"
        os.utime(lock_file, (1, 1))
        deadline = time.monotonic() + 30
        while lock_file.stat().st_mtime < 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert lock_file.stat().st_mtime > 10


def test_a_folder_that_is_removed_is_made_again(tmp_path):
    path = tmp_path / "deep" / "x.h5"
    with Writer(path) as writer:
        writer.write(small_result(1))
        for file in path.parent.iterdir():
            file.unlink()
        path.parent.rmdir()
        writer.write(small_result(2))
        assert (path.parent / "x.h5.lock").exists()
    assert results.read(path).n_steps == 2

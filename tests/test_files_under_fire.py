"""A result file is always whole: under kills, readers, a full disk and a second writer."""

import os
import shutil
import subprocess
import sys
import time

import pytest
from launching import HERE, call, small_result, start

from nqs import lock, results
from nqs.errors import InputError, RunError
from nqs.writer import Writer


def test_200_kills_leave_a_whole_file_and_one_writer_after_the_other(tmp_path):
    done = start(sys.executable, HERE / "writer_program.py", tmp_path / "x.h5", 200, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    steps, *left = done.stdout.split()
    assert int(steps) > 100
    assert left == ["x.h5", "x.h5.lock"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]


@pytest.mark.parametrize("n_reads", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_reads_while_a_process_writes(tmp_path, n_reads):
    path = tmp_path / "x.h5"
    results.write(path, small_result(1))
    with subprocess.Popen([sys.executable, HERE / "writer_program.py", path], stderr=subprocess.PIPE) as writer:
        steps, seen = 0, set()
        for _ in range(n_reads):
            found = results.read(path).n_steps
            assert found >= steps
            steps = found
            seen.add(found)
        assert writer.poll() is None
        writer.kill()
        assert writer.stderr is not None
        assert writer.stderr.read() == b""
    assert len(seen) > n_reads // 100


def test_a_second_writer_is_refused_by_name(tmp_path, capfd):
    path = tmp_path / "x.h5"
    with Writer(path):
        with pytest.raises(InputError, match=f"is being written by process {os.getpid()} on"):
            Writer(path)
        assert call("run", HERE.parent / "runs" / "quickstart.toml", "--run.output", path) == 2
        assert "is being written by process" in capfd.readouterr().err
    with Writer(path):
        pass


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


def test_a_lock_of_another_host_is_stale_when_its_heartbeat_stops(tmp_path):
    path, lock_file = tmp_path / "x.h5", tmp_path / "x.h5.lock"
    _foreign(path)
    with pytest.raises(InputError, match="process 1 on elsewhere"):
        Writer(path)
    long_ago = time.time() - lock.STALE_SECONDS - 5
    os.utime(lock_file, (long_ago, long_ago))
    with Writer(path):
        assert "elsewhere" not in lock_file.read_text()
    assert list(tmp_path.iterdir()) == []


def test_a_requeued_job_takes_its_lock_over_and_another_job_does_not(tmp_path, monkeypatch):
    path = tmp_path / "x.h5"
    _foreign(path, job="17", restart=0)
    monkeypatch.setenv("SLURM_JOB_ID", "18")
    with pytest.raises(InputError, match="Slurm job 17"):
        Writer(path)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with pytest.raises(InputError, match="Slurm job 17"):
        Writer(path)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with Writer(path):
        pass


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


FULL_DISK = """
import resource, signal, sys
import nqs
from pathlib import Path
from launching import small_vmc
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = Path("x.h5").stat().st_size // 2 if Path("x.h5").exists() else resource.RLIM_INFINITY
previous = nqs.load("x.h5") if Path("x.h5").exists() else None
def fill(row):
    if row["step"] == 5:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
    if row["step"] == 9 and "space" in sys.argv:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
result = small_vmc().run(20, output="x.h5", previous=previous, measure_samples=40, snapshot_seconds=1e-9, on_step=fill)
print(result.status, *(w["kind"] for w in result.warnings))
"""


def test_a_run_goes_on_when_the_disk_is_full_and_says_so(tmp_path):
    done = start(sys.executable, "-c", FULL_DISK, "space", cwd=tmp_path, PYTHONPATH=str(HERE))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["complete", "snapshot"]
    assert "could not be written (File too large); the one of 5 steps is intact; the run goes on" in done.stderr
    kept = results.read(tmp_path / "x.h5")
    assert (kept.status, kept.n_steps) == ("complete", 20)
    assert [warning["kind"] for warning in kept.warnings if warning["kind"] == "snapshot"] == ["snapshot"]


def test_a_run_that_ends_on_a_full_disk_keeps_its_last_snapshot_and_resumes(tmp_path):
    done = start(sys.executable, "-c", FULL_DISK, cwd=tmp_path, PYTHONPATH=str(HERE))
    assert done.returncode == 1
    assert "RunError" in done.stderr
    assert "the one of 5 steps is intact" in done.stderr
    assert results.read(tmp_path / "x.h5").n_steps == 5
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]
    again = start(sys.executable, "-c", FULL_DISK.replace("2000", "-1"), cwd=tmp_path, PYTHONPATH=str(HERE))
    assert again.returncode == 0, again.stderr
    assert results.read(tmp_path / "x.h5").n_steps == 20


SMALL_DISK = [
    "unshare",
    "--mount",
    "--map-root-user",
    "sh",
    "-ec",
    'mount -t tmpfs -o size=400k disk disk; exec "$@"',
    "-",
]
CAN_MOUNT = (
    bool(shutil.which("unshare")) and subprocess.run([*SMALL_DISK[:5], "true"], capture_output=True).returncode == 0
)

ON_A_SMALL_DISK = """
import sys
import nqs
from nqs.errors import RunError
from pathlib import Path
from launching import small_vmc
rest, path = Path("disk/rest"), Path("disk/x.h5")
def fill(row):
    if row["step"] == 5:
        try:
            rest.write_bytes(bytes(10**6))
        except OSError as error:
            assert error.errno == 28
def run(**options):
    return small_vmc().run(20, output=path, measure_samples=40, snapshot_seconds=1e-9, **options)
try:
    run(on_step=fill)
except RunError as error:
    print(error)
print(nqs.load(path).n_steps, "steps are kept")
rest.unlink()
print(run(previous=nqs.load(path)).status, nqs.load(path).n_steps, *(file.name for file in path.parent.iterdir()))
"""


@pytest.mark.skipif(not CAN_MOUNT, reason="mounting a small disk needs user namespaces")
def test_a_disk_that_fills_keeps_the_snapshot_and_resumes_after_space_is_made(tmp_path):
    (tmp_path / "disk").mkdir()
    done = start(*SMALL_DISK, sys.executable, "-c", ON_A_SMALL_DISK, cwd=tmp_path, PYTHONPATH=str(HERE))
    assert done.returncode == 0, done.stderr
    refused, kept, resumed = done.stdout.splitlines()
    assert "could not be written (No space left on device); the one of 5 steps is intact" in refused
    assert kept == "5 steps are kept"
    assert resumed == "complete 20 x.h5"

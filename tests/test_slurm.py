"""Batch scripts, requeues and job arrays on a real Slurm of one node, `slurm/one_node.sh`."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from launching import BIN, MPI_SETTINGS, SMALL, is_open_mpi, ranks_of
from slurm_jobs import assert_same, job_in, logs, said_by, sbatch, states, wait_for, wait_for_start, wait_until

from nqs import results
from nqs.lock import lock_file

SLURM = Path(__file__).parents[1] / "slurm"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
MISSING = [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"no Slurm here: {', '.join(MISSING)} not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the Slurm of one node is started by root"),
]

STEPS = 40
LONG = SMALL.replace("steps = 6", f"steps = {STEPS}")
SCAN = (
    LONG.replace("transverse_field = 0.8", "")
    + "[scan]\nhamiltonian.transverse_field = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]\n"
)


@pytest.fixture(scope="module", autouse=True)
def slurm(tmp_path_factory):
    """A Slurm with two processors, which the programs of this file find in their environment."""
    folder = tmp_path_factory.mktemp("slurm")
    script = SLURM / "one_node.sh"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        patch.setenv("PATH", f"{BIN}:{PATH}")
        patch.setenv("NQS_LAUNCHER", launcher())
        for name, value in MPI_SETTINGS.items():
            patch.setenv(name, value)
        try:
            subprocess.run([script, "start", folder], check=True)
            yield folder
        finally:
            subprocess.run([script, "stop", folder], check=True)


def launcher() -> str:
    """srun with what the MPI of the ranks understands; mpirun for Open MPI where Slurm has no PMIx."""
    if not is_open_mpi():
        return "srun --mpi=pmi2"
    return "srun --mpi=pmix" if any(Path("/usr/lib").glob("*/libpmix.so")) else "mpirun"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody stops, as a job that `nqs submit` made: its folder and what was said."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "long.toml").write_text(LONG)
    said = said_by("nqs", "submit", "long.toml", "--ranks", "2", "--time", "1:00:00", folder=folder)
    wait_for(job_in(said), "COMPLETED")
    return folder, said


@pytest.mark.slow
@pytest.mark.mpi
def test_a_job_of_nqs_submit_runs_on_its_ranks(whole):
    folder, said = whole
    result = results.read(folder / "results" / "long.h5")
    assert said.startswith("results/long.h5.sbatch: submitted as job ")
    assert result.status == "complete"
    assert result.provenance[0]["ranks"] == 2
    assert result.provenance[0]["slurm_job"] == job_in(said)
    script = (folder / "results" / "long.h5.sbatch").read_text()
    assert "#SBATCH --ntasks=2\n" in script
    assert "set -- results/long.h5." in script
    refused = subprocess.run(
        ["nqs", "submit", "long.toml", "--ranks", "2", "--time", "5"], cwd=folder, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "complete already" in refused.stderr


@pytest.mark.slow
@pytest.mark.mpi
@pytest.mark.parametrize("ranks_by", ["srun", "mpirun"])
def test_a_job_that_is_signalled_is_requeued_and_ends_as_if_it_had_not_been(whole, tmp_path, monkeypatch, ranks_by):
    """The restarted job also takes over a lock of its first start that another node still keeps alive."""
    monkeypatch.setenv("NQS_LAUNCHER", launcher() if ranks_by == "srun" else "mpirun")
    (tmp_path / "long.toml").write_text(LONG)
    job = sbatch("--ntasks=2", SLURM / "run.sbatch", "long.toml", folder=tmp_path)
    output = tmp_path / "results" / "long.h5"
    wait_for_start(output, job)
    said_by("scancel", "--batch", "--signal=USR1", job, folder=tmp_path)
    wait_for(job, "PENDING")
    assert 0 < results.read(output).n_steps < STEPS
    assert results.read(output).status == "interrupted"
    lock = {"host": "elsewhere", "pid": 1, "started": "1", "job": job, "restart": 0}
    lock_file(output).write_text(json.dumps(lock))
    (state,) = wait_for(job, "COMPLETED")
    assert state["Restarts"] == "1"
    assert_same(output, whole[0])
    assert "continues results/long.h5 after step" in (tmp_path / f"nqs-{job}.log").read_text()


@pytest.mark.slow
def test_a_job_that_is_preempted_goes_on_afterwards(whole, tmp_path):
    (tmp_path / "long.toml").write_text(LONG)
    said = said_by("nqs", "submit", "long.toml", "--ranks", "2", "--time", "30", folder=tmp_path)
    output, job = tmp_path / "results" / "long.h5", job_in(said)
    wait_for_start(output, job)
    urgent = sbatch("--partition=urgent", "--ntasks=2", "--wrap=true", folder=tmp_path)
    wait_for(urgent, "COMPLETED")
    (state,) = wait_for(job, "COMPLETED")
    assert state["Restarts"] == "1"
    assert_same(output, whole[0])


@pytest.mark.slow
def test_a_job_whose_ranks_were_killed_goes_on_when_it_is_requeued(whole, tmp_path):
    """The lock is that of a dead process; MPICH leaves its shared memory behind, of the name it takes again."""
    (tmp_path / "long.toml").write_text(LONG)
    job = sbatch("--ntasks=2", SLURM / "run.sbatch", "long.toml", folder=tmp_path)
    output = tmp_path / "results" / "long.h5"
    wait_for_start(output, job)
    for rank in ranks_of(tmp_path):
        os.kill(rank, signal.SIGKILL)
    (state,) = wait_for(job, "FAILED")
    assert state["ExitCode"] == "137:0"
    assert lock_file(output).exists()
    said_by("scontrol", "requeue", job, folder=tmp_path)
    wait_for(job, "COMPLETED")
    assert_same(output, whole[0])
    assert not lock_file(output).exists()


@pytest.mark.slow
def test_a_scan_that_is_cancelled_is_completed_by_submitting_it_again(tmp_path):
    (tmp_path / "fields.toml").write_text(SCAN)
    submit = ("nqs", "submit", "fields.toml", "--ranks", "1", "--time", "30")
    said = said_by(*submit, folder=tmp_path)
    folder, job = tmp_path / "results" / "fields", job_in(said)
    assert said.endswith("tasks 0-5 of results/fields\n")

    def found() -> dict[Path, results.Result]:
        return {path: results.read(path) for path in sorted(folder.glob("*.h5"))}

    wait_until(lambda: "complete" in {result.status for result in found().values()}, lambda: logs(job))
    earlier = set(found())
    wait_until(lambda: set(found()) > earlier, lambda: logs(job))
    said_by("scancel", job, folder=tmp_path)
    wait_for_array_to_end(job)
    before = found()
    done = [path for path, result in before.items() if result.status == "complete"]
    assert any(result.status == "interrupted" and result.n_steps > 0 for result in before.values())
    assert "interrupted" in said_by("nqs", "status", "results/fields", folder=tmp_path)
    said = said_by(*submit, folder=tmp_path)
    assert len(done) < 6
    wait_for_array_to_end(job_in(said))
    after = found()
    assert len(states(job_in(said))) == 6 - len(done)
    assert [result.status for result in after.values()] == ["complete"] * 6
    for path, result in before.items():
        for name, values in result.history.items():  # with the clock: what was done was not done again
            np.testing.assert_array_equal(after[path].history[name][: result.n_steps], values, err_msg=name)
        assert len(after[path].provenance) == (1 if path in done else 2)


def wait_for_array_to_end(job: str) -> None:
    wait_until(lambda: said_by("squeue", "--noheader", f"--jobs={job}", folder=Path.cwd()) == "", lambda: logs(job))


# What stands in for nqs here says when it listens, and exits with a code when it is told to stop.
STAND_IN = """#!/bin/bash
trap 'exit {code}' USR1
echo "start ${{SLURM_RESTART_COUNT:-0}} $*"
while true; do sleep 0.05; done
"""


@pytest.mark.slow
def test_a_task_of_an_array_that_is_signalled_is_requeued(whole, tmp_path):
    (tmp_path / "seeds.toml").write_text(LONG + "[scan]\nrun.seed = [0]\n")
    said = said_by("nqs", "submit", "seeds.toml", "--ranks", "2", "--time", "30", folder=tmp_path)
    job, output = job_in(said), tmp_path / "results" / "seeds" / "seed=0.h5"
    wait_for_start(output, job)
    said_by("scancel", "--batch", "--signal=USR1", f"{job}_0", folder=tmp_path)
    wait_for(job, "PENDING")
    (state,) = wait_for(job, "COMPLETED")
    assert state["Restarts"] == "1"
    assert_same(output, whole[0])


@pytest.mark.slow
def test_a_whole_scan_is_one_job_with_points_side_by_side(tmp_path):
    (tmp_path / "fields.toml").write_text(SCAN.replace("0.7, 0.8, 0.9, 1.0]", "0.7, 0.8]"))
    asked = ("--ranks", "2", "--ranks-per-point", "1", "--time", "30")
    said = said_by("nqs", "submit", "fields.toml", *asked, folder=tmp_path)
    wait_for(job_in(said), "COMPLETED")
    found = [results.read(path) for path in (tmp_path / "results" / "fields").glob("*.h5")]
    assert [result.status for result in found] == ["complete"] * 4
    assert {result.provenance[0]["ranks"] for result in found} == {1}


@pytest.mark.parametrize(
    ("code", "limit", "signal", "state", "restarts"),
    [
        (75, 0, "USR1", "FAILED", 0),
        (1, 9, "USR1", "FAILED", 0),
        (138, 9, "USR1", "PENDING", 0),
        (75, 9, "TERM", "FAILED", 0),
    ],
)
def test_what_the_batch_script_makes_of_an_exit_code(tmp_path, monkeypatch, code, limit, signal, state, restarts):
    (tmp_path / "nqs").write_text(STAND_IN.format(code=code))
    (tmp_path / "nqs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("NQS_MAX_REQUEUES", str(limit))
    monkeypatch.setenv("NQS_LAUNCHER", "env")
    job = sbatch("--ntasks=1", SLURM / "run.sbatch", "a b.toml", folder=tmp_path)
    log = tmp_path / f"nqs-{job}.log"
    wait_until(lambda: log.exists() and "start 0 run a b.toml" in log.read_text(), lambda: logs(job))
    said_by("scancel", "--batch", f"--signal={signal}", job, folder=tmp_path)
    (found,) = wait_for(job, state)
    if state == "FAILED":
        assert found["ExitCode"] == f"{code}:0"
    else:
        said_by("scancel", job, folder=tmp_path)


def test_a_gpu_for_each_rank(tmp_path, monkeypatch):
    (tmp_path / "nqs").write_text('#!/bin/bash\necho "device $CUDA_VISIBLE_DEVICES $*"\n')
    (tmp_path / "nqs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    job = sbatch("--ntasks=2", "--cpus-per-task=1", SLURM / "gpu.sbatch", "x.toml", folder=tmp_path)
    wait_for(job, "COMPLETED")
    lines = (tmp_path / f"nqs-{job}.log").read_text().splitlines()
    assert sorted(line for line in lines if "device" in line) == ["device 0 run x.toml", "device 1 run x.toml"]
    job = sbatch("--ntasks=1", "--cpus-per-task=1", "--array=3", SLURM / "gpu.sbatch", "x.toml", folder=tmp_path)
    wait_for(job, "COMPLETED")
    (state,) = states(job)
    assert "device 0 scan x.toml --task 3\n" in Path(state["StdOut"]).read_text()


def test_the_batch_scripts_differ_in_what_they_run_only():
    ends = {(SLURM / f"{name}.sbatch").read_text().partition("max_requeues=")[2] for name in ("run", "scan", "gpu")}
    assert len(ends) == 1


@pytest.mark.slow
def test_slurm_signals_a_job_before_its_time_is_over(tmp_path):
    """Within half a minute: that is how often Slurm looks, two minutes before the end of a job of two minutes."""
    (tmp_path / "long.toml").write_text(LONG.replace(f"steps = {STEPS}", "steps = 100000"))
    job = sbatch("--ntasks=2", "--time=2", SLURM / "run.sbatch", "long.toml", folder=tmp_path)
    wait_for_start(tmp_path / "results" / "long.h5", job)
    wait_for(job, "PENDING")
    said_by("scancel", job, folder=tmp_path)
    assert "stopping: received SIGUSR1" in (tmp_path / f"nqs-{job}.log").read_text()


@pytest.mark.slow
@pytest.mark.mpi
def test_a_run_ends_by_itself_before_its_job_does(tmp_path, monkeypatch):
    """No signal is asked for: squeue says how much time there is. Its ranks are started by mpirun; its step is seen."""
    monkeypatch.setenv("NQS_LAUNCHER", "mpirun")
    (tmp_path / "long.toml").write_text(
        LONG.replace(f"steps = {STEPS}", "steps = 100000").replace("[run]", "[run]\nsnapshot_seconds = 0.2")
    )
    job = sbatch("--ntasks=2", "--time=1", "--signal=USR2@0", SLURM / "run.sbatch", "long.toml", folder=tmp_path)
    wait_for_start(tmp_path / "results" / "long.h5", job)
    wait_until(lambda: results.read(tmp_path / "results" / "long.h5").n_steps > 0, lambda: logs(job))
    seen = said_by("nqs", "status", "results/long.h5", folder=tmp_path)
    assert "running" in seen
    assert "/100000" in seen
    wait_for(job, "PENDING")
    said_by("scancel", job, folder=tmp_path)
    assert "stopping: its time is over" in (tmp_path / f"nqs-{job}.log").read_text()
    assert results.read(tmp_path / "results" / "long.h5").provenance[0]["ranks"] == 2

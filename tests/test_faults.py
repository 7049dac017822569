"""Stops, deaths and failures of runs, serial and under mpirun: what is left is whole, the exit code says what was."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from launching import BIN, HERE, MPI_SETTINGS, RANKS, SMALL, call, history, is_open_mpi, nqs, start

from nqs import load, results
from nqs.lock import is_being_written
from nqs.writer import read

LONG = ("--run.steps", 10**6, "--run.snapshot_seconds", 0.2, "--run.output", "x.h5")


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


def begin(folder: Path, *command: object, ranks: int) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    launcher = [str(BIN / "mpirun"), "-n", str(ranks)] if ranks else []
    return subprocess.Popen(
        [*launcher, *map(str, command)],
        cwd=folder,
        env={**os.environ, **MPI_SETTINGS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_steps(folder: Path, process: subprocess.Popen[str], n_steps: int = 1) -> None:
    """Wait until the result holds some steps."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "x.h5").exists() and results.read(folder / "x.h5").n_steps >= n_steps:
            return
        time.sleep(0.1)
    raise AssertionError(f"no step was written: {process.communicate()}")


def ranks_of(folder: Path) -> list[int]:
    """The processes of nqs that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            if (process / "cwd").resolve() == folder.resolve() and str(BIN / "nqs").encode() in command[1:2]:
                found.append(int(process.name))
        except OSError:
            continue
    return sorted(found)


def assert_gone(folder: Path) -> None:
    """No rank is left, nor its lock: a process that is in an fsync when it is killed keeps its files for a moment."""
    deadline = time.monotonic() + 10
    while (ranks_of(folder) or is_being_written(folder / "x.h5")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ranks_of(folder) == []
    assert not is_being_written(folder / "x.h5")


STOPS = ["SIGUSR1", "SIGTERM", "SIGINT", "file", "max_seconds"]


@pytest.mark.parametrize(
    ("how", "ranks"),
    [(how, 0) for how in STOPS] + [pytest.param(how, 3, marks=pytest.mark.mpi) for how in STOPS if how != "SIGINT"],
)
def test_a_run_that_is_asked_to_stop_is_continued(folder, how, ranks):
    """All ranks leave on the same step with code 75; Open MPI soon kills them at SIGTERM: a snapshot stays."""
    limit = ("--run.max_seconds", 2) if how == "max_seconds" else ()
    with begin(folder, BIN / "nqs", "run", "small.toml", *LONG, *limit, ranks=ranks) as process:
        if how != "max_seconds":
            wait_for_steps(folder, process)
        if how == "file":
            (folder / "x.h5.stop").touch()
        elif how != "max_seconds":
            process.send_signal(signal.Signals[how])
        output, errors = process.communicate(timeout=60)
    if how == "SIGTERM" and ranks and is_open_mpi():
        assert process.returncode == 1
        assert_gone(folder)
        assert read(folder / "x.h5").status in ("interrupted", "died")
        return
    assert process.returncode == 75, errors
    assert "the same command continues it" in output
    assert errors.count("nqs: stopping: ") == 1
    stopped = results.read(folder / "x.h5")
    assert stopped.status == "interrupted"
    assert 0 < stopped.n_steps == stopped.state["step"] < 10**6
    assert sorted(path.name for path in folder.iterdir()) == ["small.toml", "x.h5"]


# What is killed, and when: after some seconds, or soon after the file holds some steps, of the 400 of the whole run.
KILLS = (
    ("launcher", "start-up"),
    ("rank", 0),
    ("launcher of a wrapper", 100),
    ("rank", 250),
    ("launcher", 400),
)


@pytest.mark.mpi
def test_kills_of_whole_runs_lose_nothing(folder):
    """Killed in its start-up, its compilation, its steps and its measurement, the run ends with the history of an
    uninterrupted one, bit for bit.
    """
    limit = ("--run.steps", 400, "--run.snapshot_seconds", 0.05, "--measure.n_samples", 20_000)
    whole = nqs("run", "small.toml", *limit, "--run.output", "whole.h5", ranks=3, cwd=folder)
    assert whole.returncode == 0, whole.stderr
    moments = np.random.default_rng(0)
    for killed, when in KILLS:
        wrapper = ["sh", "-c", '"$0" "$@"; true'] if killed == "launcher of a wrapper" else []
        command = (*wrapper, BIN / "nqs", "run", "small.toml", *limit, "--run.output", "x.h5")
        with begin(folder, *command, ranks=3) as process:
            if when == "start-up":
                time.sleep(moments.uniform(0, 3))
            else:
                wait_for_steps(folder, process, when)
                time.sleep(moments.uniform(0, 0.1))
            target = moments.choice(ranks_of(folder)) if killed == "rank" else process.pid
            os.kill(target, signal.SIGKILL)
            process.communicate(timeout=20)
        assert process.returncode != 0
        assert_gone(folder)
        assert not (folder / "x.h5").exists() or read(folder / "x.h5").status == "died"
    done = nqs("run", "small.toml", *limit, "--run.output", "x.h5", ranks=3, cwd=folder)
    assert done.returncode == 0, done.stderr
    for name, values in history(folder / "whole.h5").items():
        np.testing.assert_array_equal(history(folder / "x.h5")[name], values, err_msg=name)
    assert results.read(folder / "x.h5").measured == results.read(folder / "whole.h5").measured
    assert not list(folder.glob("*.tmp"))


RAISES = """
import nqs, sys, time
communicator = nqs.connect()
def fail(row):
    if row["step"] == 2 and communicator.rank == communicator.size - 1:
        print("raised at", time.time(), file=sys.stderr)
        raise ZeroDivisionError("on purpose")
from launching import small_vmc
small_vmc(communicator=communicator).run(10**6, on_step=fail)
"""


@pytest.mark.parametrize("ranks", RANKS)
def test_a_rank_that_raises_ends_all_with_its_traceback(folder, ranks):
    """Within ten seconds of its raising."""
    done = start(sys.executable, "-c", RAISES, ranks=ranks, cwd=folder, PYTHONPATH=str(HERE))
    ended = time.time()
    (raised,) = re.findall(r"raised at (\d+\.\d+)", done.stderr)
    assert ended - float(raised) < 10
    assert done.returncode not in (0, 75)
    assert done.stderr.count("ZeroDivisionError: on purpose") == 1
    assert "in fail" in done.stderr
    if ranks:
        assert f"rank {ranks - 1} failed" in done.stderr


@pytest.mark.mpi
def test_a_rank_that_leaves_ends_the_others(folder):
    leaves = RAISES.replace('raise ZeroDivisionError("on purpose")', "sys.exit(3)")
    done = start(sys.executable, "-c", leaves, ranks=3, cwd=folder, PYTHONPATH=str(HERE))
    ended = time.time()
    assert done.returncode not in (0, 75)
    assert "another rank has left the program" in done.stderr
    assert ended - float(re.findall(r"raised at (\d+\.\d+)", done.stderr)[0]) < 10


@pytest.mark.mpi
def test_a_script_whose_run_fails_on_all_ranks_keeps_the_last_good_snapshot(folder):
    """Rank 0 marks it before the other ranks, which raise as well, end the job."""
    fails = RAISES.replace("communicator.rank == communicator.size - 1", "True").replace(
        'ZeroDivisionError("on purpose")', 'nqs.errors.RunError("on purpose")'
    )
    fails = fails.replace("on_step=fail", 'on_step=fail, output="x.h5"').replace(
        "import nqs,", "import nqs, nqs.errors,"
    )
    done = start(sys.executable, "-c", fails, ranks=3, cwd=folder, PYTHONPATH=str(HERE))
    assert done.returncode == 1
    assert "on purpose; x.h5 keeps the last good snapshot, of 0 steps" in done.stderr
    assert results.read(folder / "x.h5").status == "failed"


@pytest.mark.mpi
def test_input_that_is_wrong_on_one_rank_only_ends_all(folder):
    """Rank 1 works in another folder, where the couplings are missing."""
    np.savetxt(folder / "J.txt", np.zeros((4, 4)))
    (folder / "sk.toml").write_text('[hamiltonian]\nkind = "sherrington_kirkpatrick"\ncouplings = "J.txt"')
    (folder / "other").mkdir()
    program = (
        "import os, sys; from nqs.parallel import connect; from nqs import cli\n"
        "if connect().rank == 1: os.chdir('other')\n"
        "cli.main(['run', 'sk.toml'])"
    )
    done = start(sys.executable, "-c", program, ranks=2, cwd=folder)
    assert done.returncode == 2
    assert "[hamiltonian] couplings J.txt: cannot be read" in done.stderr


WRONG = {
    "run file": (("run", "wrong.toml"), "wrong.toml: [hamiltonian] extend: no such key, did you mean extent?"),
    "override": (
        ("run", "small.toml", "--sampler.n_chain", 3),
        "[sampler] n_chain: no such key, did you mean n_chains?",
    ),
    "couplings": (("run", "couplings.toml"), "[hamiltonian] couplings J.txt: cannot be read"),
    "result": (("run", "small.toml", "--run.output", "foreign.h5"), "foreign.h5: not a whole HDF5 file"),
    "command": (("rum", "small.toml"), "invalid choice: 'rum'"),
}


# Each command of a line, one after the other on all ranks; the code of the first rank is written after each.
COMMANDS = """
import json, os, sys
from nqs import cli
for command in json.loads(sys.argv[1]):
    try:
        cli.main(command)
    except SystemExit as left:
        if "0" in (os.environ.get("PMI_RANK"), os.environ.get("OMPI_COMM_WORLD_RANK")):
            print("nqs: code", left.code, file=sys.stderr)
"""


@pytest.mark.mpi
def test_wrong_input_is_refused_once_by_all_ranks(folder):
    (folder / "wrong.toml").write_text(SMALL.replace("extent", "extend"))
    (folder / "couplings.toml").write_text('[hamiltonian]\nkind = "sherrington_kirkpatrick"\ncouplings = "J.txt"')
    (folder / "foreign.h5").write_text("no HDF5")
    before = sorted(folder.iterdir())
    commands = json.dumps([arguments for arguments, _ in WRONG.values()])
    done = start(sys.executable, "-c", COMMANDS, commands, ranks=3, cwd=folder)
    assert done.returncode == 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("nqs:")]
    assert len(lines) == 2 * len(WRONG)
    for (_, message), line, code in zip(WRONG.values(), lines[::2], lines[1::2], strict=True):
        assert message in line
        assert code == "nqs: code 2"
    assert "Traceback" not in done.stderr
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("ranks", RANKS)
def test_a_stop_during_the_measurement_keeps_the_training(folder, ranks):
    options = ("--run.steps", 3, "--measure.n_samples", 10**9, "--run.output", "x.h5")
    with begin(folder, BIN / "nqs", "run", "small.toml", *options, ranks=ranks) as process:
        wait_for_steps(folder, process, 3)
        process.send_signal(signal.SIGUSR1)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    stopped = results.read(folder / "x.h5")
    assert (stopped.status, stopped.n_steps, stopped.measured) == ("interrupted", 3, {})


def test_results_of_every_state_are_reported(folder, capsys, monkeypatch):
    """Running, killed and interrupted files say what they are, without harm to their writer; the killed run is
    continued to what an uninterrupted one gives, bit for bit.
    """

    def status() -> str:
        assert call("report", folder / "x.h5") == 0
        (reported,) = re.findall(r"^status +(\w+)", capsys.readouterr().out, re.MULTILINE)
        assert call("plot", folder / "x.h5") == 0
        assert capsys.readouterr().out == f"{folder / 'x.png'}: {reported}\n"
        assert load(folder / "x.h5").status == reported
        return reported

    with begin(folder, BIN / "nqs", "run", "small.toml", *LONG, ranks=0) as process:
        wait_for_steps(folder, process, 2)
        assert status() == "running"
        process.kill()
        process.communicate(timeout=60)
    assert status() == "died"
    steps = results.read(folder / "x.h5").n_steps + 5
    monkeypatch.chdir(folder)
    for output in ("x.h5", "whole.h5"):
        assert call("run", "small.toml", "--run.steps", steps, "--run.output", output) == 0
    capsys.readouterr()
    for name, values in history(folder / "whole.h5").items():
        np.testing.assert_array_equal(history(folder / "x.h5")[name], values, err_msg=name)
    for state in ("interrupted", "failed", "complete"):
        results.write(folder / "x.h5", replace(results.read(folder / "x.h5"), status=state))
        assert status() == state

"""Stops, deaths and failures of runs, serial and under mpirun: what is left is whole, the exit code says what was."""

import json
import os
import re
import signal
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from launching import (
    BIN,
    COMMANDS,
    HERE,
    RANKS,
    SMALL,
    assert_gone,
    begin,
    call,
    history,
    is_open_mpi,
    nqs,
    ranks_of,
    start,
    wait_for_steps,
)

from nqs import load, results
from nqs.writer import read

LONG = ("--run.steps", 10**6, "--run.snapshot_seconds", 0.2)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


# How the runs of one program are stopped, one after the other. Open MPI ends the program soon after SIGTERM.
STOPS = ["file", "SIGUSR1", "max_seconds", "SIGTERM"]


@pytest.mark.parametrize(
    ("stops", "ranks"),
    [
        pytest.param([*STOPS[:-1], "SIGINT", "SIGTERM"], 0, marks=pytest.mark.slow),
        pytest.param(STOPS, 3, marks=pytest.mark.mpi),
    ],
)
def test_runs_that_are_asked_to_stop_keep_what_they_have(folder, stops, ranks):
    """All ranks leave on the same step with code 75; Open MPI soon kills them at SIGTERM: a snapshot stays."""
    commands = [["run", "small.toml", *LONG, "--run.output", f"{how}.h5"] for how in stops]
    commands[stops.index("max_seconds")] += ["--run.max_seconds", 2]
    with begin(folder, *COMMANDS, json.dumps(commands), ranks=ranks) as process:
        for how in stops:
            wait_for_steps(folder / f"{how}.h5", process)
            if how == "file":
                (folder / "file.h5.stop").touch()
            elif how != "max_seconds":
                process.send_signal(signal.Signals[how])
        output, errors = process.communicate(timeout=60)
    is_killed = bool(ranks) and is_open_mpi()
    assert process.returncode == (1 if is_killed else 0), errors
    assert_gone(folder / "SIGTERM.h5")
    asked = stops[:-1] if is_killed else stops
    assert errors.count("nqs: code 75") == output.count("the same command continues it") == len(asked)
    assert errors.count("nqs: stopping: ") in (len(asked), len(stops))
    for how in asked:
        stopped = results.read(folder / f"{how}.h5")
        assert stopped.status == "interrupted"
        assert 0 < stopped.n_steps == stopped.state["step"] < 10**6
    assert read(folder / "SIGTERM.h5").status in ("interrupted", "died")
    kept = {"small.toml", *(f"{how}.h5" for how in stops)}
    assert {path.name for path in folder.iterdir()} - {"SIGTERM.h5.lock"} == kept


# What is killed, and when: after some seconds, or soon after the file holds so many steps, of 160.
KILLS = (
    ("rank", "start-up"),
    ("launcher", 160),
    ("rank", 0),
    ("launcher of a wrapper", 100),
)


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("steps", "kills"),
    [(40, [("launcher", 10)]), pytest.param(160, KILLS, marks=pytest.mark.slow)],
    ids=["one", "many"],
)
def test_kills_of_whole_runs_lose_nothing(folder, steps, kills):
    """Killed in its start-up, its compilation, its steps and its measurement, the run ends with the history of an
    uninterrupted one, bit for bit.
    """
    limit = ("--run.steps", steps, "--run.snapshot_seconds", 0.05, "--measure.n_samples", 10_000)
    whole = nqs("run", "small.toml", *limit, "--run.output", "whole.h5", ranks=3, cwd=folder)
    assert whole.returncode == 0, whole.stderr
    moments = np.random.default_rng(0)
    for killed, when in kills:
        wrapper = ["sh", "-c", '"$0" "$@"; true'] if killed == "launcher of a wrapper" else []
        command = (*wrapper, BIN / "nqs", "run", "small.toml", *limit, "--run.output", "x.h5")
        with begin(folder, *command, ranks=3) as process:
            if when == "start-up":
                time.sleep(moments.uniform(0, 3))
            else:
                wait_for_steps(folder / "x.h5", process, when)
                time.sleep(moments.uniform(0, 0.1))
            target = moments.choice(ranks_of(folder)) if killed == "rank" else process.pid
            os.kill(target, signal.SIGKILL)
            process.communicate(timeout=20)
        assert process.returncode != 0
        assert_gone(folder / "x.h5")
        assert not (folder / "x.h5").exists() or read(folder / "x.h5").status == "died"
    done = nqs("run", "small.toml", *limit, "--run.output", "x.h5", ranks=3, cwd=folder)
    assert done.returncode == 0, done.stderr
    for name, values in history(folder / "whole.h5").items():
        np.testing.assert_array_equal(history(folder / "x.h5")[name], values, err_msg=name)
    assert results.read(folder / "x.h5").measured == results.read(folder / "whole.h5").measured
    assert {path.name for path in folder.iterdir()} == {"small.toml", "whole.h5", "x.h5"}


@pytest.mark.mpi
def test_a_single_rank_ends_with_its_launcher(folder):
    with begin(folder, BIN / "nqs", "run", "small.toml", *LONG, "--run.output", "x.h5", ranks=1) as process:
        wait_for_steps(folder / "x.h5", process)
        process.kill()
        process.communicate(timeout=20)
    assert_gone(folder / "x.h5")
    assert read(folder / "x.h5").status == "died"


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
    "ranks": (("run", "small.toml", "--sampler.n_chains", 2), "n_chains = 2"),
    "run file": (("run", "wrong.toml"), "wrong.toml: [hamiltonian] extend: no such key, did you mean extent?"),
    "override": (
        ("run", "small.toml", "--sampler.n_chain", 3),
        "[sampler] n_chain: no such key, did you mean n_chains?",
    ),
    "couplings": (("run", "couplings.toml"), "[hamiltonian] couplings J.txt: cannot be read"),
    "result": (("run", "small.toml", "--run.output", "foreign.h5"), "foreign.h5: not a whole HDF5 file"),
    "command": (("rum", "small.toml"), "invalid choice: 'rum'"),
}


@pytest.mark.mpi
def test_wrong_input_is_refused_once_by_all_ranks(folder):
    (folder / "wrong.toml").write_text(SMALL.replace("extent", "extend"))
    (folder / "couplings.toml").write_text('[hamiltonian]\nkind = "sherrington_kirkpatrick"\ncouplings = "J.txt"')
    (folder / "foreign.h5").write_text("no HDF5")
    before = sorted(folder.iterdir())
    commands = json.dumps([arguments for arguments, _ in WRONG.values()])
    done = start(*COMMANDS, commands, ranks=3, cwd=folder)
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
        wait_for_steps(folder / "x.h5", process, 3)
        process.send_signal(signal.SIGUSR1)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    stopped = results.read(folder / "x.h5")
    assert (stopped.status, stopped.n_steps, stopped.measured) == ("interrupted", 3, {})


@pytest.mark.slow
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

    with begin(folder, BIN / "nqs", "run", "small.toml", *LONG, "--run.output", "x.h5", ranks=0) as process:
        import_module("nqs.plot")  # which takes as long as a thousand steps
        wait_for_steps(folder / "x.h5", process, 2)
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

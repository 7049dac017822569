"""What is seen while a run goes on, and numbers as a person reads them."""

import logging
import os

import jax
import pytest
from launching import SMALL, call

import nqs
from hamiltonians.space import Spins
from nqs import progress, text
from nqs.ansatz.jastrow import Jastrow
from nqs.parallel import Communicator
from nqs.progress import ProgressReport
from nqs.rank_log import RankLog
from nqs.report import with_error_scientific
from nqs.sampler import passes

ROW = {"step": 4.0, "energy": -9.3461, "energy_error": 0.0123, "acceptance": 0.4}


def test_a_log_has_a_line_now_and_then_and_the_messages(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    with ProgressReport(0, 10, rank=0) as shown:
        shown.step(ROW)
        logging.getLogger("nqs").warning("chains disagree")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("step 5/10  E = -9.346 ± 0.012  acceptance 0.40")
    assert lines[0].endswith("s left")
    assert lines[1:] == ["nqs: chains disagree"]


def test_a_long_measurement_says_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(passes, "LOG_SECONDS", 0.0)
    sampler = nqs.Metropolis(nqs.LocalFlip(), n_chains=2, n_samples=4)
    sampling = passes.SamplingPass(Spins(4), sampler, Communicator(), 7, 0)
    with ProgressReport(0, 10, rank=0, label="field=1"):
        samples = list(sampling.samples(Jastrow(4, key=jax.random.key(0)), jax.random.key(0), "the energy"))
    assert len(samples) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [f"nqs: field=1: measuring the energy: {n} of 8 samples" for n in (4, 8)]


def test_lines_do_not_come_at_every_step(capsys):
    with ProgressReport(0, 10, rank=0) as shown:
        shown.step(ROW)
    assert capsys.readouterr().err == ""


def test_other_ranks_are_silent_unless_they_warn(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with ProgressReport(0, 10, rank=2) as silent:
        silent.step(ROW)
        logging.getLogger("nqs").info("stopping")
        logging.getLogger("nqs").warning("chains disagree")
    assert capsys.readouterr().err == "nqs: rank 2: chains disagree\n"


def test_a_rank_keeps_a_log_of_its_own(tmp_path, capsys, monkeypatch):
    """With the steps, the messages and what ended it; a second launch goes on below."""
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    log = tmp_path / "logs" / "rank-2.log"
    with RankLog(log.parent, 2, 4), ProgressReport(0, 10, rank=2) as shown:
        shown.step(ROW)
        logging.getLogger("nqs").info("stopping")
    with pytest.raises(ZeroDivisionError), RankLog(log.parent, 2, 4):
        raise ZeroDivisionError("division by zero")
    logging.getLogger("nqs").info("to nobody")
    first, *rest = log.read_text().splitlines()
    assert "INFO" in first
    assert "rank 2 of 4 on " in first
    assert "INFO step 5/10  E = -9.346 ± 0.012" in rest[0]
    assert rest[1].endswith("INFO stopping")
    assert "rank 2 of 4 on " in rest[2]
    assert rest[3].endswith("ERROR division by zero")
    assert rest[-1] == "ZeroDivisionError: division by zero"
    assert capsys.readouterr().err == ""


def test_a_folder_of_logs_that_cannot_be_made(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").touch()
    (tmp_path / "small.toml").write_text(SMALL)
    assert call("run", "small.toml", "--log-dir", "logs") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "nqs: --log-dir: logs/rank-0.log: cannot be written: File exists"


def test_tasks_of_an_array_have_logs_of_their_own(tmp_path, monkeypatch):
    for task in ("0", "1"):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
        with RankLog(tmp_path, 0, 1):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["task-0-rank-0.log", "task-1-rank-0.log"]


def test_a_terminal_has_a_bar(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with ProgressReport(0, 10, rank=0) as shown:
        shown.step(ROW)
    error = capsys.readouterr().err
    assert "step 5/10" in error
    assert "E = -9.346 ± 0.012  acceptance 0.40" in error
    assert "\x1b" in error


def test_a_terminal_that_goes_away_ends_nothing(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    ours, theirs = os.openpty()
    terminal = os.fdopen(theirs, "w")
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", terminal)
        with ProgressReport(0, 10, rank=0) as shown:
            os.close(ours)
            shown.step(ROW)
            logging.getLogger("nqs").warning("chains disagree")
    with pytest.raises(OSError, match="Input/output error"):
        terminal.close()


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (-50.92676, 0.00141, "-50.9268 ± 0.0014"),
        (-50.92676, 0.0996, "-50.93 ± 0.10"),
        (1234.5, 12.3, "1234 ± 12"),
        (0.5, 0.0, "0.5 ± 0"),
        (0.5, float("nan"), "0.5 ± ?"),
    ],
)
def test_digits_stop_where_the_error_starts(value, error, expected):
    assert text.with_error(value, error) == expected


def test_small_numbers_with_errors():
    assert with_error_scientific(3.31e-4, 2.4e-5) == "(3.31 ± 0.24)e-4"
    assert with_error_scientific(float("nan"), 1e-5) == "-"
    assert text.size(74_800_000) == "74.8 MB"
    assert text.plain(float("nan")) == "-"

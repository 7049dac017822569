"""What `nqs submit` writes and refuses, and what a run knows of the time of its job, without a Slurm."""

import re
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from launching import SMALL, call, small_result

from nqs import results, run_file, scan_file
from nqs.job_time import parse_duration, seconds_to_work
from nqs.lock import Lock
from nqs.scan_state import read_scan, write_manifest
from nqs.submit import ranges

SCAN = SMALL.replace("transverse_field = 0.8", "") + "[scan]\nhamiltonian.transverse_field = [0.5, 0.6, 0.7]\n"
ASKED = ("--ranks", "2", "--time", "1:00:00")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "small.toml").write_text(SMALL)
    (tmp_path / "fields.toml").write_text(SCAN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def test_a_dry_run_prints_a_script_that_bash_understands(folder, capsys, monkeypatch):
    """Options of the template are replaced, others stay; nqs is given the copy and finds modules beside the file."""
    name = "my runs/two words.toml"
    (folder / name).parent.mkdir()
    (folder / name).write_text(SMALL)
    monkeypatch.setenv("PYTHONPATH", "/others")
    before = sorted(folder.iterdir())
    assert call("submit", name, *ASKED, "--partition", "long", "--run.steps", "9", "--dry-run") == 0
    script = capsys.readouterr().out
    assert sorted(folder.iterdir()) == before
    lines = script.splitlines()
    assert [line for line in lines if "--ntasks" in line and line.startswith("#SBATCH")] == ["#SBATCH --ntasks=2"]
    for line in ("--time=1:00:00", "--partition=long", "--signal=B:USR1@120", "--requeue", f"--chdir={folder}"):
        assert f"#SBATCH {line}" in lines
    assert all(line.startswith("#") for line in lines[: lines.index("#SBATCH --partition=long")])
    stand_in = 'nqs() { printf "%s|" "$PYTHONPATH" "$@"; }; scontrol() { :; }\n'
    run = subprocess.run(
        ["/bin/bash", "-c", stand_in + script.replace("$launcher ", "")], capture_output=True, text=True, check=True
    )
    assert re.fullmatch(rf"{folder}/my runs:/others\|run\|results/two words\.h5\.\w{{8}}\.toml\|", run.stdout)


def test_a_job_that_waits_does_not_see_later_edits(folder, capsys):
    """What it reads is the run file with its overrides, or the scan with its folder, as it was submitted."""
    for name, key in (("small", "run.steps"), ("fields", "optimizer.learning_rate")):
        for value in ("9", "8"):
            assert call("submit", f"{name}.toml", *ASKED, f"--{key}", value) == 2
        (folder / f"{name}.toml").write_text("")
    runs = [run_file.read(path, {}).run for path in (folder / "results").glob("small.h5.*.toml")]
    assert sorted((run.steps, run.output) for run in runs) == [(8, "results/small.h5"), (9, "results/small.h5")]
    (scan, _) = (scan_file.read(path, {}) for path in (folder / "results").glob("fields.*.toml"))
    (folder / "fields.toml").write_text(SCAN)
    rate = str(scan.content["optimizer"]["learning_rate"])
    assert rate in ("8", "9")
    assert scan.points == scan_file.read(Path("fields.toml"), {"optimizer.learning_rate": rate}).points


def test_a_result_is_its_own_run_file(folder, capsys):
    results.write(folder / "good.h5", small_result())
    assert call("submit", "good.h5", *ASKED, "--run.steps", "9", "--dry-run") == 0
    assert "\nset -- good.h5 --run.steps=9\n" in capsys.readouterr().out


def test_a_template_of_ones_own_and_a_machine_without_slurm(folder, capsys):
    (folder / "mine.sh").write_text("#!/bin/sh\n#SBATCH --account=physics\n#SBATCH --ntasks=7\n\necho $1\n")
    assert call("submit", "small.toml", *ASKED, "--template", "mine.sh") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("nqs: results/small.h5.sbatch is written, but sbatch cannot be started (No such file")
    (copy,) = (folder / "results").glob("small.h5.*.toml")
    script = (folder / "results" / "small.h5.sbatch").read_text()
    assert script.splitlines()[:3] == ["#!/bin/sh", "#SBATCH --account=physics", "#SBATCH --job-name=small"]
    assert script.endswith(f"#SBATCH --time=1:00:00\n\nset -- {copy.relative_to(folder)}\n\necho $1\n")


def test_the_script_says_how_the_ranks_are_started(folder, capsys, monkeypatch):
    monkeypatch.setenv("NQS_LAUNCHER", "srun --mpi=pmix")
    assert call("submit", "small.toml", *ASKED, "--dry-run") == 0
    assert "\nexport NQS_LAUNCHER='srun --mpi=pmix'\n" in capsys.readouterr().out


def test_the_array_of_a_template(folder, capsys):
    """Its tasks are replaced, their number at a time stays; a single job has none."""
    for asked in ("--array=0-99%8", "--array 0-99%8", "-a 0-99%8", "--nodes=1 --array=0-99%8"):
        (folder / "mine.sh").write_text(f"#!/bin/sh\n#SBATCH {asked}\n\necho $1\n")
        for name, array in (("fields", ["#SBATCH --array=0-2%8"]), ("small", [])):
            assert call("submit", f"{name}.toml", *ASKED, "--template", "mine.sh", "--dry-run") == 0
            script = capsys.readouterr().out
            assert [line for line in script.splitlines() if "-a" in line.split("chdir")[0]] == array
            assert ("#SBATCH --nodes=1\n" in script) == ("nodes" in asked)


def test_the_folder_where_we_are_is_submitted(folder, capsys, monkeypatch):
    write_manifest(read_scan(Path("fields.toml"), {}))
    monkeypatch.chdir("results/fields")
    assert call("submit", ".", *ASKED, "--dry-run") == 0
    script = capsys.readouterr().out
    assert "#SBATCH --job-name=fields\n" in script
    assert "#SBATCH --array=0-2\n" in script
    assert f"set -- {folder}/results/fields." in script


def test_a_scan_is_an_array_of_what_is_not_done(folder, capsys):
    assert call("submit", "fields.toml", *ASKED, "--dry-run") == 0
    script = capsys.readouterr().out
    assert "#SBATCH --array=0-2\n" in script
    assert 'nqs scan "${@:' in script
    assert [ranges(numbers) for numbers in ([4], [0, 1, 2, 5, 7, 8])] == ["4", "0-2,5,7-8"]


def test_a_line_of_which_a_point_is_running_is_not_submitted_again(folder, capsys):
    """Also before its first snapshot, when there is a lock only."""
    (folder / "lines.toml").write_text(SCAN + "run.seed = [3, 4]\nwarm_start = 'hamiltonian.transverse_field'\n")
    first, *_ = scan_file.read(Path("lines.toml"), {}).tasks
    first[1].path.parent.mkdir(parents=True)
    lock = Lock(first[1].path)
    assert call("submit", "lines.toml", *ASKED, "--dry-run") == 0
    lock.release()
    said = capsys.readouterr()
    assert "#SBATCH --array=1\n" in said.out
    assert "seed=3 is running" in said.err


def test_a_whole_scan_is_not_submitted_beside_another_job(folder, capsys):
    point = scan_file.read(Path("fields.toml"), {}).points[1]
    point.path.parent.mkdir(parents=True)
    lock = Lock(point.path)
    assert call("submit", "fields.toml", *ASKED, "--ranks-per-point", "1", "--dry-run") == 2
    lock.release()
    assert "is running" in capsys.readouterr().err


def test_a_line_behind_a_broken_point_does_not_wait_in_the_queue(folder, capsys):
    (folder / "lines.toml").write_text(SCAN + "run.seed = [3, 4]\nwarm_start = 'hamiltonian.transverse_field'\n")
    first, second = scan_file.read(Path("lines.toml"), {}).tasks
    first[0].path.parent.mkdir(parents=True)
    for point in (first[0], second[1]):
        point.path.write_bytes(b"torn")
    assert call("submit", "lines.toml", *ASKED, "--dry-run") == 0
    said = capsys.readouterr()
    assert "#SBATCH --array=1\n" in said.out
    assert len(said.err.splitlines()) == 2
    assert "nor do the points after it in its line: move its file away" in said.err


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"torn", "field=0.6 is broken and does not go on: move its file away (results/fields/"),
        (None, "field=0.6 is changed and does not go on: nqs scan --fresh starts it over ("),
    ],
)
def test_points_that_could_not_go_on_are_named_and_left_out(folder, capsys, content, what):
    path = folder / "results" / "fields" / "transverse_field=0.6.h5"
    path.parent.mkdir(parents=True)
    if content is None:
        results.write(path, small_result())
    else:
        path.write_bytes(content)
    assert call("submit", "fields.toml", *ASKED, "--dry-run") == 0
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert what in line
    assert "#SBATCH --array=0,2\n" in said.out
    only = ("--scan.hamiltonian.transverse_field", "[0.6]")
    assert call("submit", "fields.toml", *ASKED, *only) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert what in line


def test_a_wrong_value_is_left_out_of_the_array(folder, capsys):
    wrong = ("--scan.hamiltonian.transverse_field", "[0.5]", "--scan.optimizer.learning_rate", "[-1, 0.1]")
    assert call("submit", "fields.toml", *ASKED, *wrong, "--dry-run") == 0
    said = capsys.readouterr()
    assert "learning_rate=-1 is wrong and does not go on: [scan] where keeps it out (fields.toml, point " in said.err
    assert "#SBATCH --array=1\n" in said.out


def test_a_whole_scan_in_one_job_has_groups_of_ranks(folder, capsys):
    asked = ("submit", "fields.toml", "--ranks", "20", "--time", "5", "--ranks-per-point", "10", "--dry-run")
    assert call(*asked) == 0
    script = capsys.readouterr().out
    assert "--array" not in script
    assert "#SBATCH --ntasks=20\n" in script
    stand_in = 'nqs() { printf "%s|" "$@"; }; scontrol() { :; }\n'
    run = subprocess.run(
        ["/bin/bash", "-c", stand_in + script.replace("$launcher ", "")], capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"scan\|results/fields\.\w{8}\.toml\|--ranks-per-point\|10\|", run.stdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["small.toml", "--ranks", "11", "--time", "5"], "--ranks 11: more than sampler.n_chains = 10"),
        (["fields.toml", "--ranks", "11", "--time", "5"], "--ranks 11: more than sampler.n_chains = 10"),
        (["small.toml", *ASKED, "--ranks-per-point", "1"], "--ranks-per-point 1: small.toml is no scan"),
        (["fields.toml", *ASKED, "--ranks-per-point", "3"], "--ranks-per-point 3: must divide the 2 ranks"),
        (["fields.toml", "--ranks", "22", "--time", "5", "--ranks-per-point", "11"], "point 11: more than sampler.n_"),
        (["small.toml", "--ranks", "0", "--time", "5"], "--ranks: must be a whole number of at least 1"),
        (["small.toml", "--ranks", "2"], "required: --time"),
        (["small.toml", "--ranks", "2", "--time", "4h"], "--time 4h: not a time of Slurm"),
        (["small.toml", *ASKED, "--partition", "a b"], "--partition a b: not the name of a partition"),
        (["small.toml", *ASKED, "--ansatz.alpa", "2"], "[ansatz] alpa: no such key, did you mean alpha?"),
        (["none.toml", *ASKED], "none.toml: cannot be read"),
        (["small.toml", *ASKED, "--template", "none.sh"], "none.sh: cannot be read"),
        (["small.toml", *ASKED, "--template", "small.toml"], "small.toml: not a batch script"),
        (["small.toml", *ASKED, "--run.output", "good.h5"], "good.h5 exists with another configuration"),
        (["good.h5", *ASKED, "--run.steps", "2"], "good.h5 is complete already"),
    ],
)
def test_what_could_not_run_is_not_submitted(folder, capsys, arguments, message):
    results.write(folder / "good.h5", replace(small_result(), status="complete"))
    before = sorted(folder.rglob("*"))
    assert call("submit", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0:59\n", 59),
        ("1:02:03", 3723),
        ("2-00:00:01", 172801),
        ("UNLIMITED", None),
        ("NOT_SET", None),
        ("INVALID", None),
        ("", None),
    ],
)
def test_durations_of_squeue(text, seconds):
    assert parse_duration(text) == seconds


def test_a_run_has_a_minute_less_than_its_job_or_nine_tenths(folder):
    """From the environment, from squeue, or not known."""
    in_an_hour = str(int(time.time()) + 3600)
    assert seconds_to_work({"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": in_an_hour}) == pytest.approx(3540, abs=2)
    assert seconds_to_work({"SLURM_JOB_END_TIME": in_an_hour}) is None
    assert seconds_to_work({"SLURM_JOB_ID": "7"}) is None
    squeue = folder / "bin" / "squeue"
    squeue.parent.mkdir()
    squeue.write_text('#!/bin/sh\ncase "$2$3" in --jobs=7--format=%L | --jobs=8_2--format=%L) echo 1:40 ;; esac\n')
    squeue.chmod(0o755)
    assert seconds_to_work({"SLURM_JOB_ID": "7"}) == pytest.approx(90)
    assert seconds_to_work({"SLURM_JOB_ID": "8"}) is None
    task = {"SLURM_JOB_ID": "8", "SLURM_ARRAY_JOB_ID": "8", "SLURM_ARRAY_TASK_ID": "2"}
    assert seconds_to_work(task) == pytest.approx(90)

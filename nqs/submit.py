"""`nqs submit`: a run, or a scan as a job array, as a job of Slurm, by a batch script kept beside the results."""

import hashlib
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import tomli_w

from nqs import run_file
from nqs.errors import InputError
from nqs.lock import is_being_written
from nqs.scan_file import Point, Scan
from nqs.scan_state import read_scan, state_of, write_manifest
from nqs.schema import Config
from nqs.source import is_hdf5, read_source, result_to_continue

# Minutes, minutes:seconds, hours:minutes:seconds, or days-hours with the same after it.
TIME = re.compile(r"\d+(:\d\d?){0,2}|\d+-\d+(:\d\d?){0,2}")
PARTITION = re.compile(r"[\w.,+-]+")

# Points that no job could go on with, and what helps.
REMEDIES = {
    "changed": "nqs scan --fresh starts it over",
    "broken": "move its file away",
    "wrong": "[scan] where keeps it out",
}

# What a job is given of the environment in which it is submitted.
KEPT = ("NQS_LAUNCHER", "NQS_MAX_REQUEUES")
ARRAY = re.compile(r"\s(?:--array[=\s]|-a\s*)([^\s%]*)(%\d+)?")


@dataclass(frozen=True)
class Job:
    """What a job of Slurm is given, and the batch script it follows; None: the one in `slurm/`.

    With `ranks_per_point` it is a whole scan, points side by side, not one task of it.
    """

    ranks: int
    time: str
    partition: str | None = None
    template: Path | None = None
    ranks_per_point: int | None = None


@dataclass(frozen=True)
class _Work:
    """What is to be done: a script of `slurm/`, the result or folder it is for, and the tasks of its array.

    `content` is the run file with its overrides, and `folder` where the modules of the user's classes may be; empty and
    None where a result has its run file in itself. `notes` says which points of a scan cannot go on, and why.
    """

    script: str
    target: Path
    tasks: str
    n_chains: int
    content: str = ""
    folder: Path | None = None
    notes: tuple[str, ...] = ()


def submit(path: Path, overrides: dict[str, str], job: Job, *, is_dry: bool = False) -> tuple[str, tuple[str, ...]]:
    """Write the batch script `TARGET.sbatch` and give it to sbatch; what to say of it, of a dry one the script itself,
    and which points of a scan cannot go on, with the reason.

    The target is the result of a run or the folder of a scan, of which the array has the tasks that are not done. The
    job reads a copy of the run file, `TARGET.HASH.toml`: what is edited later does not change a job that waits. A
    template is any batch script that takes the arguments of `nqs run` or `nqs scan`.

    Raises `InputError` if nothing could be done, if the template is no script, or if sbatch is missing or refuses.
    """
    if not re.fullmatch(TIME, job.time):
        raise InputError(f"--time {job.time}: not a time of Slurm, such as 30 (minutes), 4:00:00 or 2-12:00:00")
    if job.partition is not None and not re.fullmatch(PARTITION, job.partition):
        raise InputError(f"--partition {job.partition}: not the name of a partition")
    is_scan = path.is_dir() or (not is_hdf5(path) and "scan" in run_file.tables(path))
    if job.ranks_per_point is not None:
        if not is_scan:
            raise InputError(f"--ranks-per-point {job.ranks_per_point}: {path} is no scan")
        if job.ranks % job.ranks_per_point:
            raise InputError(f"--ranks-per-point {job.ranks_per_point}: must divide the {job.ranks} ranks")
    work = _scan(path, overrides, job) if is_scan else _run(path, overrides)
    ranks = job.ranks_per_point or job.ranks
    if ranks > work.n_chains:
        option = "--ranks" if job.ranks_per_point is None else "--ranks-per-point"
        raise InputError(f"{option} {ranks}: more than sampler.n_chains = {work.n_chains}: every rank needs a chain")
    name = f"{work.target.name}.{hashlib.sha256(work.content.encode()).hexdigest()[:8]}.toml"
    copy = work.target.with_name(name) if work.content else None
    given = (f"--{key}={value}" for key, value in overrides.items())
    arguments, kept = [str(copy)] if copy else [str(path), *given], {key: os.environ.get(key, "") for key in KEPT}
    if job.ranks_per_point is not None:
        arguments, kept = [*arguments, "--ranks-per-point", str(job.ranks_per_point)], {**kept, "NQS_COMMAND": "scan"}
    lines = _first_lines(work.folder, arguments, kept)
    text = batch_script(*_template(job.template, work.script), _options(path, job, work.tasks), lines)
    if is_dry:
        return text, work.notes
    if copy is not None:
        _write(copy, work.content)
    script = work.target.with_name(work.target.name + ".sbatch")
    _write(script, text)
    if is_scan:
        write_manifest(read_scan(path, overrides))
    number = _sbatch(script)
    tasks = f", tasks {work.tasks} of {work.target}" if work.tasks else ""
    return f"{script}: submitted as job {number}{tasks}", work.notes


def batch_script(template: str, name: str, options: dict[str, str], first: list[str]) -> str:
    """The text of the template called `name` with these options of sbatch in place of its own, and these first lines.

    Without tasks it has no array; with them it keeps its limit of tasks at a time, as %8.

    Raises `InputError` if it is not a script.
    """
    lines = template.splitlines()
    if not lines or not lines[0].startswith("#!"):
        raise InputError(f"{name}: not a batch script: its first line does not begin with #!")
    end = next((number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    arrays = [found for line in lines[:end] if line.startswith("#SBATCH") and (found := ARRAY.search(line))]
    if "array" in options and arrays:
        options = {**options, "array": options["array"] + (arrays[-1][2] or "")}
    replaced = tuple(f"#SBATCH --{option}=" for option in options)
    header = [ARRAY.sub("", line) if line.startswith("#SBATCH") else line for line in lines[:end]]
    header = [line for line in header if line.strip() != "#SBATCH" and not line.startswith(replaced)]
    place = 1 + max((number for number, line in enumerate(header) if line.startswith("#SBATCH")), default=0)
    header[place:place] = [f"#SBATCH --{option}={shlex.quote(value)}" for option, value in options.items()]
    return "\n".join([*header, *first, "", *lines[end:], ""])


def _first_lines(folder: Path | None, arguments: list[str], variables: dict[str, str]) -> list[str]:
    """What a script begins with: variables, where modules are to be found besides, and its arguments."""
    lines = [f"export {key}={shlex.quote(value)}" for key, value in variables.items() if value]
    lines.append(f"set -- {shlex.join(arguments)}")
    if folder is not None and folder.resolve() != Path.cwd():
        lines.insert(0, f"export PYTHONPATH={shlex.quote(str(folder.resolve()))}${{PYTHONPATH:+:$PYTHONPATH}}")
    return lines


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error


def _run(path: Path, overrides: dict[str, str]) -> _Work:
    config, stored = read_source(path, overrides)
    output = Path(config.run.output or "")
    previous = result_to_continue(output, config)
    if previous is not None and previous.status == "complete" and previous.n_steps >= config.run.steps:
        raise InputError(f"{output} is complete already; a longer run.steps continues it")
    if is_being_written(output):
        raise InputError(f"{output} is being written by another process")
    if stored is not None:
        return _Work("run.sbatch", output, "", config.sampler.n_chains)
    return _Work("run.sbatch", output, "", config.sampler.n_chains, run_file.to_toml(config), path.parent)


def _scan(path: Path, overrides: dict[str, str], job: Job) -> _Work:
    scan = read_scan(path, overrides)
    open_tasks, notes = [], []
    for number, points in enumerate(scan.tasks):
        todo, found, is_running = _task(scan, points)
        if is_running and job.ranks_per_point is not None:
            raise InputError(f"{found[-1]}: a whole scan is not submitted beside another job")
        notes += found
        if todo:
            open_tasks.append(number)
    if not open_tasks:
        others = f": {notes[0]}" + (f", and {len(notes) - 1} more" if len(notes) > 1 else "") if notes else ""
        raise InputError(f"{scan.folder}: all points are done, running, or cannot go on{others}")
    configs: list[Config] = [point.config for point in scan.points if point.config is not None]
    n_chains = min(config.sampler.n_chains for config in configs)
    content = tomli_w.dumps({**scan.content, "scan": {**scan.content["scan"], "folder": str(scan.folder)}})
    script, tasks = ("scan.sbatch", ranges(open_tasks)) if job.ranks_per_point is None else ("run.sbatch", "")
    return _Work(script, scan.folder, tasks, n_chains, content, Path(scan.name).parent, tuple(notes))


def _task(scan: Scan, points: list[Point]) -> tuple[bool, list[str], bool]:
    """Of points that follow each other: whether a job has something to do, what is to be said of them, whether one is
    running.
    """
    todo, notes = False, []
    for point in points:
        state = state_of(point)
        name = f"{scan.folder}: {point.name}"
        if is_being_written(point.path):
            note = f"{name} is running, or ended without a word less than two minutes ago: not submitted again"
            return False, [*notes, note], True
        if state.progress in REMEDIES:
            after = ", nor do the points after it in its line" if point is not points[-1] else ""
            notes.append(
                f"{name} is {state.progress} and does not go on{after}: {REMEDIES[state.progress]} ({state.note})"
            )
            break
        todo |= state.progress != "done"
    return todo, notes, False


def ranges(numbers: list[int]) -> str:
    """Ascending numbers as Slurm writes them, "0-3,7"."""
    known = set(numbers)
    starts, ends = ([n for n in numbers if n + step not in known] for step in (-1, 1))
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def _options(path: Path, job: Job, tasks: str) -> dict[str, str]:
    options = {"job-name": path.resolve().stem, "chdir": str(Path.cwd()), "ntasks": str(job.ranks), "time": job.time}
    if tasks:
        options["array"] = tasks
    if job.partition is not None:
        options["partition"] = job.partition
    return options


def _template(path: Path | None, script: str) -> tuple[str, str]:
    """The text of a template, and its name."""
    source = files("nqs.slurm") / script if path is None else path
    try:
        return source.read_text(), str(source)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _sbatch(script: Path) -> str:
    """The number of the job that Slurm makes of a script."""
    try:
        done = subprocess.run(["sbatch", "--parsable", str(script)], capture_output=True, text=True)
    except OSError as error:
        raise InputError(
            f"{script} is written, but sbatch cannot be started ({error.strerror}): is this a machine of the cluster?"
        ) from error
    if done.returncode:
        reason = " ".join(done.stderr.split()).replace("sbatch: error: ", "")
        raise InputError(f"{script} is written, but sbatch refuses it: {reason}")
    return done.stdout.strip().partition(";")[0]

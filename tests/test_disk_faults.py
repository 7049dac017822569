"""A disk that fills, is remounted or whose folder is removed under a run: what was written stays whole."""

import shutil
import subprocess
import sys

import pytest
from launching import BIN, HERE, RANKS, SMALL, read_only, start

from nqs import results

PROGRAM = (sys.executable, HERE / "disk_program.py")

# A small file system of its own, mounted on `disk` for one command.
ON_A_SMALL_DISK = [
    "unshare",
    "--mount",
    "--map-root-user",
    "sh",
    "-ec",
    'mount -t tmpfs -o size=400k disk disk; exec "$@"',
    "-",
]
CAN_MOUNT = (
    bool(shutil.which("unshare"))
    and subprocess.run([*ON_A_SMALL_DISK[:5], "true"], capture_output=True).returncode == 0
)


@pytest.mark.parametrize("ranks", RANKS)
def test_a_run_goes_on_when_the_disk_is_full_and_when_its_folder_is_removed(tmp_path, ranks):
    done = start(*PROGRAM, "deep/x.h5", "limit", "unlimit", "remove", ranks=ranks, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["complete", "snapshot"]
    said = "could not be written (File too large); the one of 5 steps is intact; the run goes on"
    assert done.stderr.count(said) == 4
    kept = results.read(tmp_path / "deep" / "x.h5")
    assert (kept.status, kept.n_steps) == ("complete", 20)
    assert [warning["kind"] for warning in kept.warnings if warning["kind"] == "snapshot"] == ["snapshot"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["x.h5"]


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "disk").mkdir()
    if not CAN_MOUNT:
        pytest.skip("mounting a small disk needs user namespaces")
    return tmp_path / "disk"


def on_a_small_disk(disk, ranks: int, commands: str) -> subprocess.CompletedProcess[str]:
    """Run shell commands on it; $MPIRUN starts the ranks, $PROGRAM is the disk program on disk/x.h5, $NQS is nqs."""
    programs = {
        "MPIRUN": f'"{BIN / "mpirun"}" -n {ranks}' if ranks else "",
        "PROGRAM": f'"{sys.executable}" "{PROGRAM[1]}" disk/x.h5',
        "NQS": f'"{BIN / "nqs"}"',
    }
    for name, program in programs.items():
        commands = commands.replace(f"${name}", program)
    return start(*ON_A_SMALL_DISK, "sh", "-c", commands, cwd=disk.parent)


@pytest.mark.parametrize("ranks", RANKS)
def test_a_disk_that_is_read_only_for_a_while_and_then_fills(disk, ranks):
    """The run goes on, keeps its last snapshot, is continued after space is made, and a new one is refused.

    A read-only mount over the folder hides the writable one, as a remount after an error would.
    """
    (disk.parent / "small.toml").write_text(SMALL)
    faults = "$MPIRUN $PROGRAM readonly writable fill && exit 1; ls disk; rm disk/rest; $PROGRAM"
    refused = f"{read_only('disk')}; $NQS run small.toml --run.output disk/y.h5 || echo code $?; ls disk"
    done = on_a_small_disk(disk, ranks, f"{faults}; {refused}")
    assert done.returncode == 0, done.stderr
    said = "could not be written (Read-only file system); the one of 5 steps is intact; the run goes on"
    assert done.stderr.count(said) == 4
    assert "could not be written (No space left on device); the one of 12 steps is intact" in done.stderr
    assert "; the measured energy was -" in done.stderr
    assert "nqs: disk/y.h5: cannot be written: Read-only file system\n" in done.stderr
    before, after = done.stdout.split("complete")
    assert set(before.split()) - {"x.h5.lock"} == {"rest", "x.h5"}  # the lock of a rank that another one ended is stale
    assert after.split()[-3:] == ["code", "2", "x.h5"]

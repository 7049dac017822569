"""Environments that are wrong: one line and exit code 2, or nothing at all where it does not matter."""

import os
import subprocess

import jax
import pytest
from launching import BIN, SMALL, call, nqs, small_result

from nqs import results
from nqs.jax_start import cache_folder, start_jax


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    results.write(tmp_path / "good.h5", small_result())
    return tmp_path


def assert_refused(folder, capfd, message):
    """A run is refused in one line, and nothing is written."""
    before = sorted(folder.iterdir())
    assert call("run", "small.toml") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("nqs: ")
    assert message in line
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("variable", ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_wrong_environment(folder, capfd, monkeypatch, variable):
    monkeypatch.setenv(variable, "2")
    assert_refused(folder, capfd, f"{variable}=2")


@pytest.mark.parametrize(("variable", "value"), [("NPROC", "all"), ("OPENBLAS_NUM_THREADS", ""), ("NPROC", "0")])
def test_wrong_numbers_of_threads(folder, capfd, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    assert_refused(folder, capfd, f"{variable} = {value!r} in the environment")


@pytest.mark.parametrize(
    ("command", "variable", "value"),
    [
        ("run small.toml", "JAX_PLATFORMS", "nonsense"),
        ("exact small.toml", "JAX_ENABLE_X64", "maybe"),
        ("measure good.h5", "JAX_PLATFORMS", "nonsense"),
    ],
)
def test_wrong_settings_of_jax(folder, command, variable, value):
    done = nqs(*command.split(), cwd=folder, **{variable: value})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("nqs: JAX does not start: ")
    assert not (folder / "results").exists()


def test_a_terminal_without_plus_minus_and_a_foreign_backend_of_pictures(folder):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "MPLBACKEND": "none"}
    done = subprocess.run([BIN / "nqs", "report", "good.h5"], env=environment, capture_output=True, check=True)
    assert b" ? " in done.stdout
    subprocess.run([BIN / "nqs", "plot", "good.h5"], env=environment, capture_output=True, check=True)
    assert (folder / "good.png").exists()


def test_a_refusal_is_said_by_one_rank(folder, capfd, monkeypatch):
    monkeypatch.setitem(os.environ, "PMI_RANK", "1")
    assert call("run") == 2
    assert capfd.readouterr().err == ""


def test_what_is_compiled_is_kept_with_the_caches_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder()
    assert folder is not None
    assert folder.parent == tmp_path / "nqs"
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    start_jax()
    assert all(getattr(jax.config, name) == value for name, value in before.items())
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    start_jax()
    assert getattr(jax.config, names[0]) == str(folder)
    for name, value in before.items():
        jax.config.update(name, value)


def test_a_home_that_cannot_be_written_keeps_nothing(tmp_path, monkeypatch):
    (tmp_path / "nqs").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() is None

"""What a person types and sees, and the exit codes that scripts trust."""

import subprocess
import sys

import numpy as np
import pytest
from launching import BIN, SMALL, call, history, small_result

from nqs import results


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "small.toml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, *arguments) -> str:
    """The one line of a refusal."""
    assert call(*arguments) == 2
    output = capsys.readouterr()
    assert len(output.err.splitlines()) == 1, output.err
    assert "Traceback" not in output.err
    return output.err


def test_help_is_instant_because_it_imports_nothing_heavy():
    code = (
        "import sys; import nqs.cli; from nqs.arguments import parser; parser().format_help(); "
        "print([m for m in ('jax', 'numpy', 'netket', 'mpi4py', 'h5py', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    text = subprocess.run([BIN / "nqs", "run", "--help"], capture_output=True, text=True, check=True).stdout
    assert "diagonal_shift" in text


def test_a_model_of_spins_does_not_import_what_particles_need(folder):
    code = (
        "import sys; from pathlib import Path; from nqs.build import build_vmc; from nqs.parallel import Communicator; "
        "from nqs.run_file import parse_text; config = parse_text(Path('small.toml').read_text(), 'small.toml'); "
        "print(build_vmc(config, Communicator()).run(1).status, "
        "[m for m in ('folx', 'nqs.build_particle_ansatz') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "complete []\n"


def test_a_report_of_several_results_names_each_that_is_none(folder, capfd):
    for name in ("a.h5", "b.h5"):
        results.write(folder / name, small_result())
    (folder / "c.h5").write_text("no HDF5")
    assert call("report", "a.h5", "c.h5", "none.h5", "b.h5") == 2
    output = capfd.readouterr()
    assert [line.split(": ")[1] for line in output.err.splitlines()] == ["c.h5", "none.h5"]
    assert [line.split()[1] for line in output.out.splitlines() if "died" in line] == ["a", "b"]


def test_an_output_that_nobody_reads_ends_no_run(folder):
    """The run is complete; of a report the output was all."""
    with open("/dev/full", "w") as full:
        command = [BIN / "nqs", "run", "small.toml", "--run.output", "x.h5"]
        assert subprocess.run(command, stdout=full, stderr=full).returncode == 0
        assert results.read(folder / "x.h5").status == "complete"
        done = subprocess.run([BIN / "nqs", "report", "x.h5"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "nqs: the output cannot be written: No space left on device\n"


def test_run_report_plot_exact(folder, capsys):
    assert call("run", "small.toml") == 0
    text, log = capsys.readouterr()
    assert "\x1b" not in text + log
    result = results.read(folder / "results/small.h5")
    assert result.status == "complete"
    assert result.n_steps == 6
    assert f"{result.measured['energy']:.2f}" in text
    assert "exact      -9.3" in text
    assert "V-score" in text
    assert "H = -J sum ZZ" in text
    assert call("report", "results/small.h5") == 0
    assert "complete" in capsys.readouterr().out
    assert call("plot", "results/small.h5") == 0
    assert (folder / "results/small.png").stat().st_size > 10_000
    assert call("exact", "small.toml", "--levels", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    energies = [float(line.split("=")[1].split()[0]) for line in lines if " E0 =" in line or " E1 =" in line]
    assert len(energies) == 3
    assert energies[0] == pytest.approx(energies[1], abs=1e-9)
    assert energies[2] > energies[1]


def test_a_result_is_continued_kept_or_refused(folder, capsys):
    assert call("run", "small.toml", "--run.steps", "3") == 0
    assert call("run", "small.toml", "--run.steps=5") == 0
    assert "continues results/small.h5 after step 3" in capsys.readouterr().out
    assert len(history(folder / "results/small.h5")["step"]) == 5
    assert call("run", "small.toml", "--run.steps", "4") == 0
    assert "complete already" in capsys.readouterr().out
    before = (folder / "results/small.h5").read_bytes()
    message = refused(capsys, "run", "small.toml", "--hamiltonian.transverse_field", "0.5")
    assert "hamiltonian.transverse_field: 0.8 -> 0.5" in message
    assert "--fresh" in message
    assert (folder / "results/small.h5").read_bytes() == before
    assert call("run", "small.toml", "--hamiltonian.transverse_field", "0.5", "--fresh", "--run.steps", "2") == 0
    assert (folder / "results/small.1.h5").read_bytes() == before
    assert len(history(folder / "results/small.h5")["step"]) == 2


def test_a_run_starts_from_the_parameters_of_another(folder, capsys):
    assert call("run", "small.toml", "--run.steps", "4", "--run.output", "a.h5") == 0
    assert call("run", "small.toml", "--run.steps", "0", "--run.output", "b.h5", "--run.init_from", "a.h5") == 0
    first, second = (results.read(folder / name).parameters for name in ("a.h5", "b.h5"))
    for name, values in first.items():
        np.testing.assert_array_equal(second[name], values)
    more = ("--ansatz.visible_bias", "true", "--run.steps", "0", "--run.output", "c.h5", "--run.init_from", "a.h5")
    assert call("run", "small.toml", *more) == 0
    third = results.read(folder / "c.h5").parameters
    np.testing.assert_array_equal(third["weights"], first["weights"])
    assert third["visible_bias"].shape == (8,)
    message = refused(
        capsys, "run", "small.toml", "--ansatz.kind", "rbm", "--ansatz.alpha", "2", "--run.init_from", "a.h5"
    )
    assert "init_from" in message
    assert "(8, 8), not (8, 16)" in message


def test_a_projected_run_starts_from_the_parameters_before_the_projection(folder):
    assert call("run", "small.toml", "--run.steps", "4", "--run.output", "a.h5") == 0
    sector = ("--ansatz.sector", "{spin_flip = 1}", "--run.steps", "0")
    for name, before in (("b.h5", "a.h5"), ("c.h5", "b.h5")):
        assert call("run", "small.toml", *sector, "--run.output", name, "--run.init_from", before) == 0
    first = results.read(folder / "a.h5").parameters
    for projected in (results.read(folder / name).parameters for name in ("b.h5", "c.h5")):
        assert {*projected} == {f"ansatz/{name}" for name in first}
        for name, values in first.items():
            np.testing.assert_array_equal(projected[f"ansatz/{name}"], values)


def test_dry_run_writes_nothing(folder, capsys):
    assert call("run", "small.toml", "--dry-run") == 0
    text = capsys.readouterr().out
    assert "diagonal_shift = 0.01" in text
    assert "# 72 real parameters" in text
    assert "memory" in text
    assert [path.name for path in folder.iterdir()] == ["small.toml"]


def test_exact_levels_of_the_sector_and_a_sector_that_is_empty(folder, capsys):
    """The ring of 4 at momentum pi and odd: the triplet at -1; a translation-invariant machine has no part in it."""
    (folder / "ring.toml").write_text(
        '[hamiltonian]\nkind = "heisenberg"\nextent = [4]\n[ansatz]\nkind = "rbm"\nstddev = 0.1\n'
        "sector = {momentum = [2], spin_flip = -1}\n[run]\nsteps = 1\n"
    )
    assert call("exact", "ring.toml") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("E0 = -1.0000000000" in line and "in the sector of the ansatz" in line for line in lines)
    assert call("run", "ring.toml", "--ansatz.symmetry", "translation") == 2
    assert "[ansatz] sector: the symmetries that the ansatz has itself" in capsys.readouterr().err

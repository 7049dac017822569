"""Results do not depend on the number of ranks, nor on a change of it between the launches of a run."""

import sys

import numpy as np
import pytest
from launching import HERE, SMALL, call, history, is_open_mpi, nqs, start

from nqs import results
from nqs.errors import InputError
from nqs.parallel import Communicator, connect

pytestmark = pytest.mark.mpi


OPTIMIZERS = ("sgd", "sr", "minsr")
MORE = ("cg", "spring", "blocks", "direct")


@pytest.mark.parametrize(
    ("cases", "all_ranks"), [(OPTIMIZERS, (2, 4)), pytest.param(MORE, (4,), marks=pytest.mark.slow)]
)
def test_energies_agree_on_any_number_of_ranks(tmp_path, cases, all_ranks):
    found = {ranks: found_by(tmp_path, ranks, cases) for ranks in (1, *all_ranks)}
    for name in cases:
        assert len(found[1][name]) == 21
        assert np.ptp(found[1][name][:20]) > 0.1
        for ranks in all_ranks:
            np.testing.assert_allclose(found[ranks][name], found[1][name], rtol=1e-10, err_msg=f"{name}, {ranks}")


@pytest.mark.slow
def test_observables_agree_on_one_and_two_ranks(tmp_path):
    one, several = (found_by(tmp_path, ranks, ("observables",))["observables"] for ranks in (1, 2))
    assert len(one) > 50
    np.testing.assert_allclose(several, one, rtol=1e-11, atol=1e-13)


def found_by(folder, ranks: int, cases: tuple[str, ...]) -> dict[str, np.ndarray]:
    """What so many ranks find in each case."""
    file = folder / f"{ranks}.npz"
    done = start(sys.executable, HERE / "rank_program.py", file, *cases, ranks=ranks, cwd=folder)
    assert done.returncode == 0, done.stderr
    return dict(np.load(file))


@pytest.mark.parametrize(
    "key", ["[sampler]\nrestart_steps = 7", pytest.param("[optimizer]\nroll_back = 1.1", marks=pytest.mark.slow)]
)
def test_a_run_continues_on_another_number_of_ranks(tmp_path, monkeypatch, key):
    """Ten steps of one process and ten on three ranks are twenty of one process; all chains start anew after seven, or
    it goes back to good parameters again and again."""
    monkeypatch.chdir(tmp_path)
    table = key.partition("\n")[0]
    (tmp_path / "small.toml").write_text(SMALL.replace(table, key))
    for steps, output in ((20, "whole.h5"), (10, "parts.h5")):
        assert call("run", "small.toml", "--run.steps", steps, "--run.output", output) == 0
    done = nqs("run", "small.toml", "--run.steps", 20, "--run.output", "parts.h5", ranks=3, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "continues parts.h5 after step 10" in done.stdout
    whole, parts = history(tmp_path / "whole.h5"), history(tmp_path / "parts.h5")
    assert len(parts["step"]) == 20
    np.testing.assert_allclose(parts["energy"], whole["energy"], rtol=1e-10)
    np.testing.assert_allclose(parts["rhat"], whole["rhat"], rtol=1e-6)
    if table == "[sampler]":
        assert np.isnan(whole["rhat"][7])
        assert np.isfinite(whole["rhat"][6])
    else:
        assert results.read(tmp_path / "whole.h5").state["scale"] < 0.5


def test_a_foreign_launcher_is_refused(tmp_path):
    (tmp_path / "small.toml").write_text(SMALL)
    variable = "PMI_SIZE" if is_open_mpi() else "OMPI_COMM_WORLD_SIZE"
    done = nqs("run", "small.toml", cwd=tmp_path, **{variable: "2"})
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Open MPI" in done.stderr
    assert "MPICH" in done.stderr
    assert not (tmp_path / "results").exists()


def test_one_process_is_no_foreign_launcher():
    assert connect({"OMPI_COMM_WORLD_SIZE": "1"}).size == 1
    with pytest.raises(InputError, match="srun"):
        connect({"SLURM_STEP_NUM_TASKS": "4"})


@pytest.mark.parametrize(("n_chains", "size"), [(10, 3), (128, 3), (4, 4), (7, 5)])
def test_chains_are_divided_as_evenly_as_they_go(n_chains, size):
    shares = []
    for rank in range(size):
        communicator = Communicator()
        communicator.rank, communicator.size = rank, size
        shares.append(range(n_chains)[communicator.share(n_chains)])
        assert {communicator.owner(chain, n_chains) for chain in shares[-1]} == {rank}
    assert [chain for share in shares for chain in share] == list(range(n_chains))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1

"""The run file: defaults, overrides, and errors that name the file, the table and the key."""

import tomllib
from pathlib import Path

import pytest

from hamiltonians.exact import ground_state
from nqs import run_file, scan_file, schema
from nqs.build_hamiltonian import build_hamiltonian
from nqs.errors import InputError
from nqs.schema_text import describe

RING = '[hamiltonian]\nkind = "transverse_ising"\nextent = [6]\n'
SPINS = '[hamiltonian]\nkind = "heisenberg"\nextent = [6]\n'


def read(tmp_path: Path, text: str, **overrides: str) -> schema.Config:
    path = tmp_path / "ring.toml"
    path.write_text(text)
    return run_file.read(path, {key.replace("__", "."): value for key, value in overrides.items()})


def test_defaults_are_resolved(tmp_path):
    ring, spins = read(tmp_path, RING), read(tmp_path, SPINS)
    assert ring.sampler.move == "flip"
    assert ring.run.output == "results/ring.h5"
    assert (spins.sampler.move, spins.sampler.pairs) == ("exchange", "neighbours")


@pytest.mark.parametrize(
    "keys", ['kind = "adam"', 'kind = "optax"\nchain = [{transform = "clip", max_delta = 1.0}, {transform = "trace"}]']
)
def test_a_resolved_file_reads_as_itself(tmp_path, keys):
    config = read(tmp_path, SPINS + f'[optimizer]\n{keys}\nlearning_rate = {{schedule = "linear_schedule"}}')
    assert run_file.parse_text(run_file.to_toml(config), "again") == config
    assert "None" not in run_file.to_toml(config)


def test_second_neighbours_of_edges(tmp_path):
    """A ring of six by its bonds, those of second neighbours from a text file, is the chain."""
    second = [[i, (i + 2) % 6] for i in range(6)]
    (tmp_path / "second.txt").write_text("\n".join(f"{i} {j}" for i, j in second))
    head = '[hamiltonian]\nkind = "j1j2"\nsecond_coupling = 0.3\n'
    edges = f"edges = {[[i, (i + 1) % 6] for i in range(6)]}\nsecond_edges = '{tmp_path}/second.txt'\n"
    tables = [read(tmp_path, head + more).hamiltonian for more in ("extent = [6]", f'lattice = "edges"\n{edges}')]
    assert tables[1].second_edges == tuple(map(tuple, second))
    first, other = (ground_state(build_hamiltonian(table))[0][0] for table in tables)
    assert other == pytest.approx(first, abs=1e-10)
    with pytest.raises(InputError, match=r"\[hamiltonian\] second_edges: a chain lattice has its own"):
        read(tmp_path, head + "extent = [6]\nsecond_edges = [[0, 2]]")


def test_an_autoregressive_ansatz_is_sampled_directly_unless_the_file_says_otherwise(tmp_path):
    text = SPINS + '[ansatz]\nkind = "autoregressive"\n'
    config = read(tmp_path, text)
    assert config.sampler == schema.Direct()
    assert (config.ansatz.widths, config.ansatz.activation) == ((64,), "tanh")
    assert read(tmp_path, text + "[sampler]\nn_samples = 512").sampler == schema.Direct(n_samples=512)
    assert read(tmp_path, text + '[sampler]\nkind = "metropolis"').sampler.move == "exchange"
    recurrent = read(tmp_path, text, ansatz__network="recurrent").ansatz
    assert (recurrent.widths, recurrent.activation) == ((32,), None)
    assert run_file.parse_text(run_file.to_toml(config), "again").sampler == schema.Direct()


def test_overrides(tmp_path):
    overrides = {
        "hamiltonian.transverse_field": "0.5",
        "run.output": "a.h5",
        "ansatz.kind": "ffn",
        "ansatz.widths": "[3]",
    }
    config = read(tmp_path, RING, **overrides)
    assert config.hamiltonian.transverse_field == 0.5
    assert config.run.output == "a.h5"
    assert config.ansatz.widths == (3,)
    with pytest.raises(InputError, match=r"\[run\] step: no such key, did you mean steps"):
        read(tmp_path, RING, run__step="3")
    with pytest.raises(InputError, match="kind is not a table"):
        read(tmp_path, RING, hamiltonian__kind__x="3")


def test_what_a_continuation_may_change(tmp_path):
    config = read(tmp_path, RING)
    longer = read(tmp_path, RING, run__steps="1000", run__output="b.h5", run__max_seconds="5")
    other = read(tmp_path, RING, ansatz__kind="rbm", ansatz__alpha="2", sampler__n_chains="64")
    assert run_file.config_hash(longer) == run_file.config_hash(config)
    assert run_file.difference(config, longer) == []
    assert run_file.config_hash(other) != run_file.config_hash(config)
    assert run_file.difference(config, other) == ["ansatz.alpha: 1.0 -> 2.0", "sampler.n_chains: 128 -> 64"]


def test_the_help_names_every_key():
    text = describe()
    for key in ("transverse_field", "diagonal_shift", "chunk_size", "arguments", "total_sz", "snapshot_seconds"):
        assert f"  {key}" in text
    assert "None" not in text
    assert "NODEFAULT" not in text


def test_every_run_file_of_the_repository_reads():
    files = sorted((Path(__file__).parents[1] / "runs").glob("*.toml"))
    assert files
    for file in files:
        assert tomllib.loads(file.read_text())
        if "scan" in run_file.tables(file):
            assert all(point.config for point in scan_file.read(file, {}).points)
        else:
            assert run_file.read(file, {}).run.steps > 0

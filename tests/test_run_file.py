"""The run file: defaults, overrides, and errors that name the file, the table and the key."""

import tomllib
from pathlib import Path

import pytest

from nqs import run_file, schema
from nqs.errors import InputError
from nqs.schema_text import describe

RING = '[hamiltonian]\nkind = "transverse_ising"\nextent = [6]\n'
SPINS = '[hamiltonian]\nkind = "heisenberg"\nextent = [6]\n'

WRONG = [
    ("", "hamiltonian: missing"),
    ("[hamiltonian", "not a TOML file"),
    (RING + "[rum]\nsteps = 1", "rum: no such table, did you mean run?"),
    ('[hamiltonian]\nkind = "transverse_isin"\nextent = [6]', "did you mean transverse_ising?"),
    ("[hamiltonian]\nextent = [6]", "[hamiltonian] kind: missing"),
    ("[hamiltonian]\nkind = 3", "[hamiltonian] kind: expected str"),
    ('[hamiltonian]\nkind = "transverse_ising"', "[hamiltonian] extent: missing"),
    (RING + "transvers_field = 1.0", "transvers_field: no such key, did you mean transverse_field?"),
    (RING + 'coupling = "big"', "[hamiltonian] coupling: expected float, got str"),
    (RING + "coupling = inf", "[hamiltonian] coupling: must be a finite number"),
    (RING + 'lattice = "squar"', "did you mean square?"),
    (RING + 'lattice = "square"', "[hamiltonian] extent: a square lattice needs 2 lengths, not 1"),
    (RING.replace("[6]", "[-6]"), "[hamiltonian] extent: expected int >= 1"),
    (RING.replace("[6]", "[]"), "[hamiltonian] extent: expected list of length >= 1"),
    (SPINS + "total_sz = 7", "[hamiltonian] total_sz: 6 spins cannot have total_sz = 7"),
    (SPINS + "total_sz = 0.5", "6 spins cannot have total_sz = 0.5; allowed: 0, 1"),
    (SPINS.replace("6", "5"), "5 spins cannot have total_sz = 0; allowed: 0.5, 1.5"),
    (SPINS + 'total_sz = "fre"', "did you mean free?"),
    (SPINS + '[sampler]\nmove = "flip"', "[sampler] move: flip breaks the fixed total_sz"),
    (SPINS + "total_sz = 1\n[sampler]\nmove = {exchange = 1, global_flip = 1}", "global_flip turns total_sz = 1"),
    (RING + '[sampler]\nmove = "exchange"', "exchange alone never changes the magnetisation"),
    (RING + '[sampler]\nmove = "global_flip"', "global_flip alone reaches two configurations"),
    (RING + '[sampler]\nmove = "flop"', "[sampler] move: 'flop' is not allowed, did you mean flip?"),
    (RING + "[sampler]\nmove = {flip = -1}", "[sampler] move: expected float > 0"),
    (RING + "[sampler]\nmove = {}", "[sampler] move: an empty table"),
    (RING + '[sampler]\npairs = "all"', "[sampler] pairs: only an exchange has pairs"),
    (RING + "[sampler]\nn_chains = 0", "[sampler] n_chains: expected int >= 1"),
    (RING + "[sampler]\nn_chains = 100", "1024 is not a multiple of n_chains = 100; 1000 is"),
    (RING + '[sampler]\nkind = "gibbs"', "[sampler] kind: no such kind 'gibbs'; allowed: metropolis"),
    (RING + "[run]\nsteps = -1", "[run] steps: expected int >= 0"),
    (RING + "[run]\nsteps = 1.5", "[run] steps: expected int, got float"),
    (RING + '[run]\nprecision = "float16"', "'float16' is not allowed"),
    (RING + "[ansatz]\nalpha = 2", "[ansatz] kind: missing; allowed: rbm, ffn, flax"),
    (RING + '[ansatz]\nkind = "ffn"\nwidths = []', "[ansatz] widths: expected list of length >= 1"),
    (RING + '[ansatz]\nkind = "ffn"\nactivation = "than"', "did you mean tanh?"),
    (RING + '[optimizer]\nkind = "sr"\ndiagonal_shift = 0', "[optimizer] diagonal_shift: expected float > 0"),
    (RING + '[optimizer]\nkind = "sgd"\nlearning_rate = {schedule = "x"}', "[optimizer] learning_rate: needs schedule"),
    (RING + "[measure]\nn_samples = 0", "[measure] n_samples: expected int >= 1"),
    ('[hamiltonian]\nkind = "sherrington_kirkpatrick"', "[hamiltonian] n_sites: missing"),
    (
        '[hamiltonian]\nkind = "sherrington_kirkpatrick"\nn_sites = 4\ncouplings = "j.txt"',
        "a file of couplings excludes n_sites",
    ),
    (
        '[hamiltonian]\nkind = "sherrington_kirkpatrick"\nn_sites = 4\n[sampler]\nmove = {flip = 1, exchange = 1}\n'
        'pairs = "neighbours"',
        "[sampler] pairs: every site is a neighbour",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_wrong_run_file(tmp_path, text, message):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        run_file.read(path, {})
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def read(tmp_path: Path, text: str, **overrides: str) -> schema.Config:
    path = tmp_path / "ring.toml"
    path.write_text(text)
    return run_file.read(path, {key.replace("__", "."): value for key, value in overrides.items()})


def test_defaults_are_resolved(tmp_path):
    ring, spins = read(tmp_path, RING), read(tmp_path, SPINS)
    assert ring.sampler.move == "flip"
    assert ring.run.output == "results/ring.h5"
    assert (spins.sampler.move, spins.sampler.pairs) == ("exchange", "neighbours")


def test_a_resolved_file_reads_as_itself(tmp_path):
    config = read(tmp_path, SPINS + '[optimizer]\nkind = "adam"\nlearning_rate = {schedule = "linear_schedule"}')
    assert run_file.parse_text(run_file.to_toml(config), "again") == config
    assert "None" not in run_file.to_toml(config)


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
        assert run_file.read(file, {}).run.steps > 0

"""Wrong input of every kind: one line that says what is wrong, exit code 2, nothing written."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from launching import SMALL, call, small_result

from nqs import files, results

RING = '[hamiltonian]\nkind = "transverse_ising"\nextent = [6]\n'
SPINS = '[hamiltonian]\nkind = "heisenberg"\nextent = [6]\n'
GRAPH = '[hamiltonian]\nkind = "transverse_ising"\nlattice = "edges"\n'
SK = '[hamiltonian]\nkind = "sherrington_kirkpatrick"\n'
AUTOREGRESSIVE = '[ansatz]\nkind = "autoregressive"\n'

WRONG_FILES = [
    ("", "hamiltonian: missing"),
    ("[hamiltonian", "not a TOML file"),
    (RING + "[rum]\nsteps = 1", "rum: no such table, did you mean run?"),
    ('[hamiltonian]\nkind = "transverse_isin"\nextent = [6]', "did you mean transverse_ising?"),
    ("[hamiltonian]\nextent = [6]", "[hamiltonian] kind: missing"),
    ("[hamiltonian]\nkind = 3", "[hamiltonian] kind: expected str"),
    ('[hamiltonian]\nkind = "transverse_ising"', "[hamiltonian] extent: missing"),
    (RING + "transvers_field = 1.0", "transvers_field: no such key, did you mean transverse_field?"),
    (RING + 'coupling = "big"', "[hamiltonian] coupling: expected float | list, got str"),
    (RING + "edges = [[0, 1]]", "[hamiltonian] edges: a chain lattice has its own"),
    (GRAPH, "[hamiltonian] edges: missing"),
    (GRAPH + "edges = []", "[hamiltonian] edges: empty"),
    (GRAPH + "edges = [[0, 0]]", "[hamiltonian] edges: [0, 0] is no bond"),
    (GRAPH + "edges = [[0, 1], [1, 0]]", "[hamiltonian] edges: [1, 0] is there twice"),
    (GRAPH + "edges = [[0, -1]]", "edges"),
    (GRAPH + 'edges = "none.txt"', "[hamiltonian] edges: none.txt: cannot be read"),
    (GRAPH + "extent = [3]\nedges = [[0, 1]]", "[hamiltonian] extent:"),
    (GRAPH.replace("transverse_ising", "j1j2") + "second_coupling = 1.0\nedges = [[0, 1]]", "no second neighbours"),
    (SPINS.replace("heisenberg", "xxz"), "[hamiltonian] anisotropy: missing"),
    (RING.replace("[6]", "[2, 2]") + 'lattice = "kagome"', "a periodic kagome lattice needs lengths of at least 3"),
    ('[hamiltonian]\nkind = "pauli_strings"\nstrings = "none.txt"', "[hamiltonian] strings: none.txt: cannot be read"),
    ('[hamiltonian]\nkind = "pauli_strings"\nstrings = {XA = 1.0}', "letters other than I, X, Y and Z"),
    ('[hamiltonian]\nkind = "pauli_strings"\nstrings = {XX = 1.0, X = 1.0}', "letters"),
    ('[hamiltonian]\nkind = "pauli_strings"\nstrings = {XI = 1.0}\ntotal_sz = 0', "change the magnetisation"),
    ('[hamiltonian]\nkind = "pauli_strings"\nstrings = {XI = 1.0}\ntotal_sz = 0.5', "cannot have total_sz"),
    (RING + "coupling = [1.0, 2.0]", "[hamiltonian] coupling: 2 values for 6 bonds"),
    (RING + "transverse_field = [1.0]", "[hamiltonian] transverse_field: 1 values for 6 sites"),
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
    (RING + '[sampler]\nmove = "exchange"', "exchange and global_flip never change |sum s|"),
    (RING + '[sampler]\nmove = "global_flip"', "global_flip alone reaches two configurations"),
    (RING + '[sampler]\nmove = "flop"', "[sampler] move: 'flop' is not allowed, did you mean flip?"),
    (RING + "[sampler]\nn_chains = 2000000000", "[sampler] n_chains: expected int <= 100000000"),
    (RING + "[sampler]\nmove = {flip = -1}", "[sampler] move: expected float > 0"),
    (RING + "[sampler]\nmove = {}", "[sampler] move: an empty table"),
    (RING + '[sampler]\npairs = "all"', "[sampler] pairs: only an exchange has pairs"),
    (RING + "[sampler]\nn_chains = 0", "[sampler] n_chains: expected int >= 1"),
    (RING + "[sampler]\nn_chains = 100", "1024 is not a multiple of n_chains = 100; 1000 is"),
    (RING + '[sampler]\nkind = "gibbs"', "[sampler] kind: no such kind 'gibbs'; allowed: metropolis"),
    (RING + '[sampler]\nkind = "direct"', '[sampler] kind: direct sampling needs an ansatz of kind "autoregressive"'),
    (RING + AUTOREGRESSIVE + "[sampler]\nsweeps = 2", "[sampler] sweeps: no such key; allowed: n_chains, n_samples"),
    (RING + AUTOREGRESSIVE + "[sampler]\nn_chains = 100", "1024 is not a multiple of n_chains = 100; 1000 is"),
    (RING + AUTOREGRESSIVE + "sector = {momentum = [0]}", "[ansatz] sector: no such key"),
    (RING + AUTOREGRESSIVE + "local_fields = true", "[ansatz] local_fields: this Hamiltonian has no couplings"),
    (RING + AUTOREGRESSIVE + 'network = "recurent"', "did you mean recurrent?"),
    (RING + AUTOREGRESSIVE + 'network = "recurrent"\nactivation = "tanh"', "[ansatz] activation: gated recurrent"),
    (RING + AUTOREGRESSIVE + "widths = [1000000, 1000000]", "[ansatz] 6e+11 parameters are more than 1e+09"),
    (RING + AUTOREGRESSIVE + "widths = [10000000]", "[ansatz] widths: expected int <= 1000000"),
    (RING + '[sampler]\nkind = "tempering"\nn_replicas = 1', "[sampler] n_replicas: expected int >= 2"),
    (RING + '[sampler]\nkind = "tempering"\nbeta_min = 1.0', "[sampler] beta_min: expected float < 1"),
    (SPINS + '[sampler]\nkind = "tempering"\nmove = "flip"', "[sampler] move: flip breaks the fixed total_sz"),
    (RING + "[run]\nsteps = -1", "[run] steps: expected int >= 0"),
    (RING + "[run]\nsteps = 1.5", "[run] steps: expected int, got float"),
    (RING + '[run]\nprecision = "float16"', "'float16' is not allowed"),
    (RING + '[ansatz]\nkind = "ffn"\nwidths = []', "[ansatz] widths: expected list of length >= 1"),
    (RING + '[ansatz]\nkind = "ffn"\nactivation = "than"', "did you mean tanh?"),
    (RING + "[ansatz]\nphase = true\ncomplex = true", "[ansatz] phase: complex parameters give psi its phase"),
    (RING + '[ansatz]\nkind = "vit"\npatch_size = 4', "[ansatz] patch_size = 4: must divide the lengths [6]"),
    (RING + '[ansatz]\nkind = "vit"\nheads = 3', "[ansatz] heads = 3: must divide width = 16"),
    (RING + 'periodic = false\n[ansatz]\nkind = "vit"', "[ansatz] kind: a vit needs a periodic chain"),
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
    (RING + "[ansatz]\nalpha = 0.01", "[ansatz] alpha = 0.01 leaves no hidden unit for 6 sites"),
    (RING + "[sampler]\nmove = {exchange = 1, global_flip = 1}", "never change |sum s|"),
    (RING.replace("6", "1000000000000"), "[hamiltonian] extent: expected int <= 2147483648"),
    (RING.replace("[6]", "[100000000]"), "[hamiltonian] extent: 1e+08 sites are more than 1000000"),
    (RING + "[sampler]\nn_chains = 99999999999999999999999", "[sampler] n_chains"),
    (RING + "[run]\nseed = -1", "[run] seed: expected int >= 0"),
    (RING + "[run]\nmax_seconds = 0", "[run] max_seconds: expected float > 0"),
    (RING + "[run]\noutput = 3", "[run] output: expected str"),
    (RING + '[run]\ninit_from = "none.h5"', "[run] init_from: none.h5: cannot be read"),
    (SPINS.replace("[6]", "[1]") + "total_sz = 0.5", "[sampler] an exchange needs a pair of sites"),
    (
        SPINS.replace("[6]", "[5]") + "total_sz = 0.5\nmarshall = true",
        "[hamiltonian] marshall: a Marshall",
    ),
    ("hamiltonian = 3", "[hamiltonian]: expected table"),
    (SK + "n_sites = 1", "[hamiltonian] n_sites: expected int >= 2"),
    (SK + 'couplings = "missing.txt"', "[hamiltonian] couplings missing.txt: cannot be read"),
    (SK + 'couplings = "empty.txt"', "[hamiltonian] couplings empty.txt: cannot be read"),
    (SK + 'couplings = "words.txt"', "[hamiltonian] couplings words.txt: cannot be read"),
    (SK + 'couplings = "broken.npy"', "[hamiltonian] couplings broken.npy: cannot be read"),
    (SK + 'couplings = "line.txt"', "[hamiltonian] couplings line.txt: needs a square matrix"),
    (SK + 'couplings = "nan.npy"', "[hamiltonian] couplings"),
    (SK + 'couplings = "archive.npy"', "[hamiltonian] couplings archive.npy: cannot be read"),
    (SK + 'couplings = "complex.npy"', "a square matrix of real numbers, not complex128"),
    ('[hamiltonian]\nkind = "broken:Model"', "module 'broken:Model' cannot be imported"),
    (RING + "transverse_field = [1.0, nan, 1.0, 1.0, 1.0, 1.0]", "transverse_field: must be a finite number"),
    (RING + f"coupling = {'1' * 5000}", "not a TOML file"),
    (".".join("a" * 3000) + " = 1", "wrong.toml"),
    (RING + '"two\\nlines" = 1', "unknown field two lines"),
    (SK + 'couplings = "."', "[hamiltonian] couplings .: cannot be read"),
    (RING + '[ansatz]\nkind = "flax"\nmodule = "nowhere:X"', "[ansatz] module 'nowhere:X' cannot be imported"),
    (RING + '[ansatz]\nkind = "flax"\nmodule = "flax.linen:Dense"\narguments = {features = 1}', "must have shape (1,)"),
    (RING + '[ansatz]\nkind = "flax"\nmodule = "netket.models:RBM"\narguments = {x = 1}', "[ansatz]"),
    (RING + '[optimizer]\nlearning_rate = {schedule = "linear_schedule"}', "missing a required argument"),
    (
        RING + '[optimizer]\nlearning_rate = {schedule = "constant_schedule", value = "a"}',
        "[optimizer] learning_rate, schedule constant_schedule",
    ),
]


AN_ARRAY = files.Dataset(np.ones(3), {"units": "1", "long_name": "m"})
DAMAGES = {
    "damaged": lambda group: group.items.pop("state"),
    "no_energy": lambda group: group.items["history"].items.pop("energy"),
    "short_energy": lambda group: group.items["history"].items.update(energy=files.Dataset(np.zeros(1))),
    "no_variance": lambda group: group.items["measured"].items.pop("variance"),
    "no_chains": lambda group: group.items["state"].items.pop("chains"),
    "odd_state": lambda group: group.items.update(state=files.Dataset(1.0)),
    "odd_status": lambda group: group.attributes.update(status="great"),
    "odd_energy": lambda group: group.items["measured"].items.update(energy=files.Dataset(np.zeros(3))),
    "square_history": lambda group: group.items.update(
        history=files.Group({name: files.Dataset(np.zeros((2, 2))) for name in results.HISTORY})
    ),
    "odd_observables": lambda group: group.items.update(observables=files.Group({"m": files.Dataset(1.0)})),
    "flat_chains": lambda group: group.items["state"].items.update(chains=files.Dataset(1.0)),
    "flat_window": lambda group: group.items["state"].items.update(window=files.Dataset(1.0)),
    "odd_step": lambda group: group.items["state"].items.update(step=files.Dataset("two")),
    "other_step": lambda group: group.items["state"].items.update(step=files.Dataset(9)),
    "other_window": lambda group: group.items["state"].items.update(window=files.Dataset(np.zeros((1, 2, 9)))),
    "chains_of_floats": lambda group: group.items["state"].items.update(chains=files.Dataset(np.ones((10, 8)))),
    "odd_warnings": lambda group: group.items.update(warnings=files.Group({"000": files.Dataset(1.0)})),
    "flat_swaps": lambda group: group.items["measured"].items.update(swap_acceptance=files.Dataset(1.0)),
    "no_axis": lambda group: group.items.update(
        observables=files.Group({"m": files.Group(dict.fromkeys(("mean", "error"), AN_ARRAY))})
    ),
    "odd_version": lambda group: group.attributes.update(format_version="new"),
}


@pytest.fixture(scope="module")
def wrong_files(tmp_path_factory):
    """A folder with files that are wrong in one way each, and a good run file."""
    folder = tmp_path_factory.mktemp("wrong")
    good = small_result()
    results.write(folder / "good.h5", good)
    results.write(folder / "script.h5", replace(good, config=""))
    content = (folder / "good.h5").read_bytes()
    (folder / "cut.h5").write_bytes(content[: len(content) // 2])
    (folder / "nothing.h5").write_bytes(b"")
    newer = results.to_group(good)
    newer.attributes["format_version"] = 99
    files.write(folder / "newer.h5", newer)
    with h5py.File(folder / "endless.h5", "w") as file:
        source = h5py.VirtualSource("none.h5", "x", shape=(10**13,))
        layout = h5py.VirtualLayout(shape=(10**13,), dtype=float)
        layout[:] = source
        file.create_virtual_dataset("x", layout)
    with h5py.File(folder / "dangling.h5", "w") as file:
        file["x"] = h5py.SoftLink("/nowhere")
    files.write(folder / "foreign.h5", files.Group({"x": files.Dataset(np.zeros(3))}))
    for name, change in DAMAGES.items():
        damaged = results.to_group(replace(good, measured=dict.fromkeys(results.MEASURED, 1.0)))
        change(damaged)
        files.write(folder / f"{name}.h5", damaged)
    (folder / "small.toml").write_text(SMALL)
    (folder / "sk40.toml").write_text(SK + "n_sites = 40")
    (folder / "empty.txt").write_text("")
    (folder / "words.txt").write_text("one two")
    (folder / "line.txt").write_text("1 2 3")
    (folder / "broken.npy").write_bytes(b"123")
    (folder / "broken.py").write_text("class Model(")
    np.savez(folder / "archive", np.eye(3))
    (folder / "archive.npz").rename(folder / "archive.npy")
    np.save(folder / "complex.npy", np.eye(3) * 1j)
    np.save(folder / "nan.npy", np.full((3, 3), np.nan))
    (folder / "binary.toml").write_bytes(bytes(range(256)))
    (folder / "folder.h5").mkdir()
    return folder


@pytest.fixture
def folder(wrong_files, monkeypatch):
    """The folder of the wrong files, which is the same for all: nothing is written into it."""
    monkeypatch.chdir(wrong_files)
    return wrong_files


WRONG_COMMANDS = [
    ([], "required: COMMAND"),
    (["rum"], "invalid choice"),
    (["run"], "required: FILE"),
    (["run", "small.toml", "--frsh"], "--frsh"),
    (["run", "none.toml"], "none.toml: cannot be read"),
    (["run", "binary.toml"], "binary.toml: not a TOML file"),
    (["run", "folder.h5"], "folder.h5: cannot be read"),
    (["run", "small.toml", "--run.stps", "3"], "did you mean steps?"),
    (["run", "small.toml", "--rum.steps", "3"], "no such table, did you mean run?"),
    (["run", "small.toml", "--run.steps", "many"], "[run] steps: expected int"),
    (["run", "small.toml", "--run.steps"], "--run.steps: a value is missing"),
    (["run", "small.toml", "--run.steps.more", "3"], "steps is not a table"),
    (["run", "small.toml", "--run.output", "folder.h5"], "folder.h5"),
    (["run", "small.toml", "--run.output", "small.toml/x.h5"], "small.toml/x.h5: cannot be written"),
    (["run", "small.toml", "--run.output", "/proc/nowhere/x.h5"], "/proc/nowhere/x.h5: cannot be written"),
    (["run", "small.toml", "--run.output", "small.toml"], "small.toml: not a whole HDF5 file"),
    (["run", "small.toml", "--run.output", "folder.h5", "--fresh"], "folder.h5: not a file"),
    (["run", "small.toml", "--run.output", "good.h5"], "good.h5 exists with another configuration"),
    (["run", "small.toml", "--run.output", "script.h5"], "script.h5 exists, the result of a script"),
    (["run", "script.h5"], "the result of a script"),
    (["run", "cut.h5"], "cut.h5: not a whole HDF5 file"),
    (["run", "small.toml", "--run.init_from", "good.h5"], "[run] init_from: good.h5"),
    (["run", "small.toml", "--run.output", "x" * 300 + ".h5"], "cannot be looked at: File name too long"),
    (["run", "small.toml", "--dry-run", "--ansatz.alpha", "2e9"], "[ansatz] 1.44e+11 parameters are more than 1e+09"),
    (["report", "none.h5"], "none.h5: cannot be read"),
    (["report", "small.toml"], "small.toml: not a whole HDF5 file"),
    (["report", "cut.h5"], "cut.h5: not a whole HDF5 file"),
    (["report", "nothing.h5"], "nothing.h5: not a whole HDF5 file"),
    (["report", "newer.h5"], "newer.h5: written by a newer nqs"),
    (["report", "foreign.h5"], "foreign.h5: an HDF5 file, but not a result"),
    (["report", "endless.h5"], "endless.h5: an HDF5 file, but not a result"),
    (["report", "dangling.h5"], "dangling.h5: an HDF5 file, but not a result"),
    *((["report", f"{name}.h5"], f"{name}.h5: a damaged result") for name in DAMAGES),
    (["report", "folder.h5"], "folder.h5: cannot be read"),
    (["report", "/dev/zero"], "/dev/zero: cannot be read: not a file"),
    (["report", "none.h5", "--run.steps", "3"], "takes no --run.steps"),
    (["plot", "small.toml"], "small.toml: not a whole HDF5 file"),
    (["plot", "good.h5", "-o", "none/x.png"], "none/x.png: cannot be written"),
    (["plot", "good.h5", "-o", "x.nosuchformat"], "x.nosuchformat: cannot be written"),
    (["measure"], "required: RESULT"),
    (["measure", "none.h5"], "none.h5: cannot be read"),
    (["measure", "small.toml"], "small.toml: not a whole HDF5 file"),
    (["measure", "cut.h5"], "cut.h5: not a whole HDF5 file"),
    (["measure", "folder.h5"], "folder.h5: cannot be read"),
    (["measure", "damaged.h5"], "damaged.h5: a damaged result"),
    (["measure", "odd_observables.h5"], "odd_observables.h5: a damaged result"),
    (["measure", "script.h5"], "script.h5: the result of a script"),
    (["measure", "good.h5"], "good.h5: parameter 'weights' has shape (4, 4), not (8, 8)"),
    (["measure", "good.h5", "--samples", "0"], "--samples: must be a whole number of at least 1, not '0'"),
    (["measure", "good.h5", "--burn-in", "-1"], "--burn-in"),
    (["measure", "good.h5", "--region", "left"], "--region: 'left' is no list of sites"),
    (["measure", "good.h5", "--run.seed", "3"], "takes no --run.seed"),
    (["exact", "sk40.toml"], "no exact energies"),
    (["exact", "small.toml", "--levels", "0"], "--levels 0"),
    (["exact", "small.toml", "--levels", "some"], "invalid int"),
]


def assert_refused(folder, capfd, arguments, message):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert call(*arguments) == 2
    output = capfd.readouterr()
    assert len(output.err.splitlines()) == 1, output.err
    assert message in output.err
    assert "Traceback" not in output.out + output.err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    return output.err


@pytest.mark.parametrize(("text", "message"), WRONG_FILES, ids=[message[:40] for _, message in WRONG_FILES])
def test_wrong_run_file(folder, capfd, text, message):
    """The line names the file besides."""
    (folder / "wrong.toml").write_text(text)
    line = assert_refused(folder, capfd, ["run", "wrong.toml"], message)
    assert line.startswith("nqs: wrong.toml: ")


@pytest.mark.parametrize(("arguments", "message"), WRONG_COMMANDS, ids=lambda value: str(value)[:40])
def test_wrong_command(folder, capfd, arguments, message):
    assert_refused(folder, capfd, arguments, message)

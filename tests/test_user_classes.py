"""Hamiltonians and ansätze of a user, named by a run file: found, checked, and kept with the result."""

import hashlib
import sys

import numpy as np
import pytest
from launching import call, nqs

from hamiltonians.exact_sector import sector_levels
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from hamiltonians.sector import sector
from nqs import load, results
from nqs.ansatz.projected import Projected

MODULE = """
import jax.numpy as jnp
from flax import linen as nn

from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from nqs import RBM, Ansatz


class Ring(TransverseIsing):
    def __init__(self, n_sites: int, field: float = 1.0):
        super().__init__(Lattice("chain", (n_sites,)), 1.0, field, 0.0)


class Machine(RBM):
    def __init__(self, n_sites: int, width: int = 1, *, key):
        super().__init__(n_sites, width, key=key, stddev=0.3)


class Tall(Machine):
    def __init__(self, n_sites: int, jastrow: int, width: int = 1, *, key):
        super().__init__(n_sites, width * jastrow, key=key)


class Twice(Ansatz):
    ansatz: Machine

    def __init__(self, n_sites: int, *, key):
        self.ansatz = Machine(n_sites, key=key)

    def __call__(self, x):
        return 2 * self.ansatz(x)


ONES = jnp.ones(4)


class Flat(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(x * ONES)[:, 0]
"""

KEYS = "width = 2\njastrow = true\nsector = {momentum = [0], spin_flip = -1}\n"

OPERATOR = """
import netket as nk

SPINS = nk.hilbert.Spin(0.5, 4, total_sz=0)
ring = nk.operator.Heisenberg(SPINS, nk.graph.Chain(4))


def coupled(coupling: float = 1.0):
    return coupling * ring


def broken(coupling):
    raise KeyError("coupling")


def loose():
    return nk.operator.BoseHubbard(nk.hilbert.Fock(2, 3), nk.graph.Chain(3), U=1.0)
"""

RUN = """
[hamiltonian]
kind = "{name}:Ring"
n_sites = 4
[ansatz]
kind = "{name}:Machine"
width = 2
[sampler]
n_chains = 4
n_samples = 8
[optimizer]
kind = "sgd"
[measure]
n_samples = 8
burn_in = 5
[run]
steps = 1
"""


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder with a run file and its module, in another one, where we are; the name of the module is new."""
    name = f"models_{tmp_path.name}"
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / f"{name}.py").write_text(MODULE)
    (folder / "ring.toml").write_text(RUN.format(name=name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return folder / f"{name}.py"


def test_the_source_is_kept_with_each_launch_and_a_change_is_noticed(models, capsys):
    assert call("run", "mine/ring.toml") == 0
    (launch,) = results.read(models.parents[1] / "results" / "ring.h5").provenance
    for table in ("hamiltonian", "ansatz"):
        assert launch[f"{table}_source"] == MODULE
        assert launch[f"{table}_sha256"] == hashlib.sha256(MODULE.encode()).hexdigest()
    assert "has changed" not in capsys.readouterr().err
    models.write_text(MODULE + "\nWIDTH = 3\n")
    assert call("run", "mine/ring.toml", "--run.steps", "2") == 0
    assert "has changed" not in capsys.readouterr().err, "what was imported runs"
    del sys.modules[models.stem]
    assert call("run", "mine/ring.toml", "--run.steps", "3") == 0
    assert "the source of the hamiltonian has changed since the last launch" in capsys.readouterr().err


def test_the_keys_of_networks_are_those_of_a_class_as_well(models, capsys):
    """A factor and a sector; the source is still that of the class."""
    (models.parent / "ring.toml").write_text(RUN.format(name=models.stem).replace("width = 2\n", KEYS))
    assert call("exact", "mine/ring.toml") == 0
    hamiltonian = TransverseIsing(Lattice("chain", (4,)))
    (level,) = sector_levels(hamiltonian, sector(hamiltonian.lattice, 4, (0,), None, -1), 1)
    assert f"{level:.10f}  (unit of J, in the sector of the ansatz)" in capsys.readouterr().out
    assert call("run", "mine/ring.toml") == 0
    path = models.parents[1] / "results" / "ring.h5"
    assert results.read(path).provenance[0]["ansatz_source"] == MODULE
    loaded = load(path).ansatz
    assert isinstance(loaded, Projected)
    assert [type(factor).__name__ for factor in loaded.ansatz.factors] == ["Machine", "Jastrow"]
    assert loaded.ansatz.factors[0].weights.shape == (4, 8)
    assert call("run", path, "--run.output", "other.h5", "--ansatz.arguments.jastrow", "false") == 0
    assert type(load("other.h5").ansatz.ansatz).__name__ == "Machine"


def test_an_argument_of_such_a_name_is_that_of_the_class(models):
    text = RUN.format(name=models.stem).replace("Machine", "Tall").replace("width = 2", "jastrow = 3")
    (models.parent / "ring.toml").write_text(text)
    assert call("run", "mine/ring.toml") == 0
    assert type(ansatz := load(models.parents[1] / "results" / "ring.h5").ansatz).__name__ == "Tall"
    assert ansatz.weights.shape == (4, 12)


def test_a_projection_starts_from_the_class_before_it_whatever_the_names_of_its_fields(models):
    """One that is called as that of a projection."""
    text = RUN.format(name=models.stem).replace("Machine", "Twice").replace("width = 2\n", "")
    (models.parent / "ring.toml").write_text(text)
    (models.parent / "sector.toml").write_text(text.replace('Twice"', 'Twice"\nsector = {spin_flip = 1}'))
    assert call("run", "mine/ring.toml") == 0
    for name, before in (("b.h5", "results/ring.h5"), ("c.h5", "b.h5")):
        keys = ("--run.steps", "0", "--run.output", name, "--run.init_from", before)
        assert call("run", "mine/sector.toml", *keys) == 0
    first, *projected = (load(name).ansatz for name in ("results/ring.h5", "b.h5", "c.h5"))
    for ansatz in projected:
        assert isinstance(ansatz, Projected)
        np.testing.assert_array_equal(ansatz.ansatz.ansatz.weights, first.ansatz.weights)


def test_what_a_module_computes_is_computed_before_the_network_is_traced(models):
    """As the modules of NetKet do."""
    text = RUN.replace(":Ring", ":Flat").format(name=models.stem)
    system = '"transverse_ising"\nextent = [4]'
    text = text.replace(f'"{models.stem}:Flat"\nn_sites = 4', system)
    keys = f'"flax"\nmodule = "{models.stem}:Flat"\njastrow = true'
    text = text.replace(f'"{models.stem}:Machine"\nwidth = 2', keys)
    (models.parent / "ring.toml").write_text(text)
    assert call("run", "mine/ring.toml") == 0
    assert results.read(models.parents[1] / "results" / "ring.h5").provenance[0]["ansatz_source"] == MODULE


def test_modules_that_a_class_uses_are_kept_with_it(models, capsys):
    """Those in its folder, in turn, also where a number only is taken from one; no library on the path."""
    fields, units, library = (f"{name}_{models.stem}" for name in ("fields", "units", "library"))
    (models.parent / f"{fields}.py").write_text(f"import numpy\nimport {library}\nfrom {units} import TESLA\n")
    (models.parent / f"{units}.py").write_text("TESLA = 1.0\n")
    elsewhere = models.parents[1] / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / f"{library}.py").write_text("")
    sys.path.append(str(elsewhere))
    models.write_text(f"import {fields}\n" + MODULE)
    assert call("run", "mine/ring.toml") == 0
    (launch,) = results.read(models.parents[1] / "results" / "ring.h5").provenance
    helpers = [f"# {name}\n\n{(models.parent / name).with_suffix('.py').read_text()}" for name in (fields, units)]
    assert launch["ansatz_source"] == "\n".join([models.read_text(), *helpers])


def test_classes_of_the_package_leave_no_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = RUN.format(name="x").replace('"x:Ring"', '"transverse_ising"').replace("n_sites = 4", "extent = [4]")
    (tmp_path / "own.toml").write_text(text.replace('"x:Machine"', '"rbm"').replace("width", "alpha"))
    assert call("run", "own.toml") == 0
    assert not [key for key in results.read(tmp_path / "results" / "own.h5").provenance[0] if "source" in key]


@pytest.mark.mpi
def test_every_rank_finds_the_module_beside_the_run_file(models):
    done = nqs("run", "mine/ring.toml", ranks=2, cwd=models.parents[1])
    assert done.returncode == 0, done.stderr
    assert results.read(models.parents[1] / "results" / "ring.h5").provenance[0]["ranks"] == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{name}:Ring", "nowhere:Ring", ", and PYTHONPATH names other folders"),
        ("{name}:Ring", "{name}:Circle", "[hamiltonian] kind: '{name}:Circle' cannot be imported"),
        ("{name}:Ring", "{name}:Machine", "kind: '{name}:Machine' is not a class of hamiltonians.spin.SpinHamiltonian"),
        (
            "{name}:Machine",
            "{name}:Lattice",
            "[ansatz] kind: '{name}:Lattice' is not a class of nqs.ansatz.base.Ansatz",
        ),
        (
            "n_sites = 4",
            "n_sites = 4\nfiels = 2.0",
            "[hamiltonian] fiels: no such key, did you mean field?; allowed: n_",
        ),
        ("n_sites = 4", "field = 2.0", "[hamiltonian] n_sites: missing, and it has no default"),
        ("width = 2", "n_sites = 2", "[ansatz] n_sites: no such key; allowed: width, sector, jastrow, pairing"),
        ("width = 2", "jastrw = true", "[ansatz] jastrw: no such key, did you mean jastrow?; allowed: width, sector"),
        ("width = 2", "jastrow = 2", "[ansatz] jastrow: expected bool, got int"),
        (
            "width = 2",
            "sector = {{momenta = [0]}}",
            "[ansatz.sector] momenta: no such key, did you mean momentum?; allowed: momentum, point_group, spin_flip",
        ),
        ("width = 2", "sector = {{momentum = [0, 0]}}", "[ansatz] sector: a chain lattice needs 1 momenta, not 2"),
        (':Machine"\nwidth = 2', ':Lattice"\njastrow = true', "[ansatz] kind: '{name}:Lattice' is not a class of"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(models, capsys, old, new, message):
    (models.parent / "ring.toml").write_text(RUN.replace(old, new).format(name=models.stem))
    assert call("run", "mine/ring.toml") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("nqs: mine/ring.toml: ")
    assert message.format(name=models.stem) in line


@pytest.fixture
def operators(models):
    """The same folder, its module with operators of NetKet, and its run file with one of them."""
    models.write_text(OPERATOR)
    hamiltonian = f'kind = "pauli_strings"\noperator = "{models.stem}:coupled"\narguments = {{coupling = 2.0}}'
    text = RUN.replace('kind = "{name}:Ring"\nn_sites = 4', hamiltonian)
    (models.parent / "ring.toml").write_text(text.replace('"{name}:Machine"', '"rbm"').replace("width", "alpha"))
    return models


def test_an_operator_of_netket_is_run_and_loaded_with_its_source(operators, capsys):
    assert call("run", "mine/ring.toml", "--run.steps", "0") == 0
    path = operators.parents[1] / "results" / "ring.h5"
    result = load(path)
    (launch,) = result.provenance
    assert launch["hamiltonian_source"] == OPERATOR
    assert "ansatz_source" not in launch
    assert np.all(result.state["chains"].sum(axis=1) == 0), "the Hilbert space fixes the magnetisation"
    assert call("exact", path) == 0
    assert "E0 = -16.0000000000" in capsys.readouterr().out, "2 x 4 x (-2), of Pauli matrices on four sites"
    operators.write_text(OPERATOR + "\nWIDTH = 3\n")
    del sys.modules[operators.stem]
    assert call("run", "mine/ring.toml", "--run.steps", "1") == 0
    assert "the source of the hamiltonian has changed since the last launch" in capsys.readouterr().err
    assert call("run", "mine/ring.toml", "--hamiltonian.arguments.coupling", "3.0") == 2
    assert "hamiltonian.arguments.coupling: 2.0 -> 3.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"operator": "{name}:ring"}, "[hamiltonian] arguments: '{name}:ring' is an operator, not a function"),
        ({"operator": "{name}:rings"}, "[hamiltonian] operator: '{name}:rings' cannot be imported"),
        ({"operator": "{name}:broken"}, "operator: '{name}:broken' raises KeyError, 'coupling'"),
        ({"operator": "builtins:dict"}, "operator: 'builtins:dict' is not an operator of NetKet"),
        ({"operator": "{name}:loose"}, "[hamiltonian] arguments.coupling: no such key; allowed: none"),
        ({"operator": "{name}:SPINS"}, "[hamiltonian] operator: '{name}:SPINS' is not an operator of NetKet"),
        ({"operator": "{name}:loose", "arguments": "{{}}"}, "[hamiltonian] operator: a BoseHubbardJax on Fock"),
        ({"arguments": "{{couplin = 1.0}}"}, "arguments.couplin: no such key, did you mean coupling?"),
    ],
)
def test_what_is_wrong_with_an_operator_is_named_by_its_key(operators, capsys, overrides, message):
    name = operators.stem
    given = [word for key, text in overrides.items() for word in (f"--hamiltonian.{key}", text.format(name=name))]
    assert call("run", "mine/ring.toml", *given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message.format(name=name) in line

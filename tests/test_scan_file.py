"""The [scan] table of a run file: which points it has, what they are called, and what is wrong with one."""

import re
import tomllib
from pathlib import Path

import pytest
from launching import SMALL

from nqs import run_file, scan_file, scan_state
from nqs.errors import InputError
from nqs.scan_filter import is_kept
from nqs.scan_values import values_of


def scan(text: str) -> scan_file.Scan:
    return scan_file.parse(tomllib.loads(SMALL + "[scan]\n" + text), "ring.toml")


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        scan(text)
    return str(caught.value)


def test_lists_and_ranges_are_crossed_and_zipped_keys_go_together():
    found = scan(
        "hamiltonian.transverse_field = {start = 0.1, stop = 0.3, number = 3}\n"
        "optimizer.learning_rate = {start = 1e-3, stop = 1e-1, number = 3, scale = 'log'}\n"
        "run.seed = {start = 0, stop = 4, step = 2}\n"
        "zip = [['hamiltonian.transverse_field', 'optimizer.learning_rate']]\n"
    )
    assert len(found.points) == 9
    assert [dimension.keys for dimension in found.dimensions] == [
        ("hamiltonian.transverse_field", "optimizer.learning_rate"),
        ("run.seed",),
    ]
    point = found.points[5]
    assert point.name == "transverse_field=0.2,learning_rate=0.01,seed=4"
    assert str(point.path.parent) == "results/ring"
    assert point.config is not None
    assert point.config.hamiltonian.transverse_field == 0.2
    assert point.config.optimizer.learning_rate == 0.01
    assert point.config.run.seed == 4
    assert point.config.run.output == str(point.path)
    assert [len(task) for task in found.tasks] == [1] * 9


def test_a_range_ends_where_it_says_and_has_the_numbers_that_a_person_means():
    assert values_of({"start": 0.1, "stop": 0.7, "step": 0.2}) == (0.1, 0.3, 0.5, 0.7)
    assert values_of({"start": 2.0, "stop": 1.0, "number": 3}) == (2.0, 1.5, 1.0)
    powers = values_of({"start": 1, "stop": 1000, "number": 4, "scale": "log"})
    assert [(value, type(value)) for value in powers] == [(10**n, int) for n in range(4)]
    assert [type(value) for value in values_of({"start": 0, "stop": 3, "step": 1})] == [int] * 4
    assert values_of({"start": 0, "stop": 1, "number": 3}) == (0, 0.5, 1)
    for wrong in ({"step": 0.3, "number": 2}, {}, {"step": -1}, {"step": 1e-9}, {"scale": "log", "number": 2}):
        with pytest.raises(ValueError, match=r"range|steps|values"):
            values_of({"start": 0, "stop": 1, **wrong})


def test_any_key_and_any_value():
    found = scan(
        "hamiltonian.extent = [[4], [6]]\nansatz.kind = ['rbm', 'ffn', {a = 1}]\n"
        "sampler.move = ['flip', {flip = 1, global_flip = 1}]"
    )
    assert [point.name for point in found.points][:4] == [
        "extent=4,kind=rbm,move=flip",
        "extent=4,kind=rbm,move=item1",
        "extent=4,kind=ffn,move=flip",
        "extent=4,kind=ffn,move=item1",
    ]
    assert [point.config is None for point in found.points[:6]] == [False] * 4 + [True] * 2
    assert "ring.toml, point extent=4,kind=item2,move=flip: [ansatz]" in found.points[4].error


def test_where_keeps_points():
    found = scan(
        "hamiltonian.transverse_field = [0.5, 1.0, 1.5]\nrun.seed = [0, 1]\n"
        "where = 'hamiltonian.transverse_field < 1 or run.seed == 0'"
    )
    assert [point.place for point in found.points] == [(0, 0), (0, 1), (1, 0), (2, 0)]
    assert [point.number for point in found.points] == [0, 1, 2, 3]
    values = {"a.x": 3, "a.kind": "rbm"}
    assert is_kept("0 < a.x * 2 <= 6 and not a.kind in ['ffn']", values)
    assert not is_kept("a.x % 2 == 0 or a.x - 1 > 2", values)
    for wrong in ("a.y == 1", "a.x ==", "a.x()", "a.x is 3", "a.kind < 1", "a.x / 0 > 1"):
        with pytest.raises(ValueError, match=r"."):
            is_kept(wrong, values)


def test_a_warm_start_follows_its_key():
    found = scan(
        "hamiltonian.transverse_field = [0.5, 1.0, 1.5]\nrun.seed = [0, 1]\n"
        "warm_start = 'hamiltonian.transverse_field'\n"
        "where = 'run.seed == 0 or hamiltonian.transverse_field != 1'"
    )
    assert [[point.values["hamiltonian.transverse_field"] for point in task] for task in found.tasks] == [
        [0.5, 1.0, 1.5],
        [0.5, 1.5],
    ]
    assert [point.before for point in found.points] == [None, 0, 1, None, 3]
    starts = [point.config and point.config.run.init_from for point in found.points]
    assert starts[0] is None
    assert starts[4] == "results/ring/transverse_field=0.5,seed=1.h5"


def test_a_point_that_is_wrong_is_named_and_the_others_are_not():
    found = scan("ansatz.alpha = [1, 'two']\nsampler.n_samples = [30, 31]")
    wrong = [point for point in found.points if point.config is None]
    assert [point.name for point in wrong] == [
        "alpha=1,n_samples=31",
        "alpha=two,n_samples=30",
        "alpha=two,n_samples=31",
    ]
    assert "point alpha=1,n_samples=31: [sampler] n_samples: 31 is not a multiple" in wrong[0].error
    assert "[ansatz] alpha" in wrong[1].error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing to scan"),
        ("hamiltonian.transvers_field = [1.0]", "transvers_field: no such key, did you mean transverse_field"),
        ("hamiltonia.transverse_field = [1.0]", "hamiltonia: no such key or table, did you mean hamiltonian?"),
        ("hamiltonian.transverse_field = 1.0", "[scan] hamiltonian.transverse_field: needs a list"),
        ("run.seed = []", "[scan] run.seed: an empty list"),
        ("run.seed = [1, 1]", "[scan] run.seed: 1 is there twice"),
        ("run.seed = {start = 0, stop = 3}", "[scan] run.seed: a range needs either number or step"),
        ("run.seed = {start = 0, stop = 3, by = 1}", "[scan] run.seed: Object contains unknown field by"),
        ("run.seed = [1, 2]\nansatz.alpha = [1]\nzip = [['run.seed', 'ansatz.alpha']]", "have 2, 1 values"),
        ("run.seed = [1, 2]\nzip = [['run.seed', 'ansatz.alpha']]", "zip: ansatz.alpha is not scanned"),
        ("run.seed = [1]\nwarm_start = 'run.steps'", "warm_start: run.steps is not scanned"),
        ("run.seed = [1]\nansatz.alpha = [1]\nwarm_start = true", "warm_start: along which key?"),
        ("run.seed = [1]\nwhere = 'run.steps == 1'", "where: 'run.steps' is not scanned"),
        ("run.seed = [1]\nwhere = 'run.seed == 2'", "no point is left"),
        ("run.seed = [1]\nfolder = 3", "[scan] folder"),
        ("run.output = ['a.h5']", "[run] output"),
        ("run.seed = {start = 0, stop = 99999, step = 1}\nrun.steps = [1, 2]", "200000 points are more than"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    assert message in refusal(text)
    assert refusal(text).startswith("ring.toml")


def test_a_scanned_key_cannot_be_overridden_but_its_values_can(tmp_path):
    path = tmp_path / "ring.toml"
    path.write_text(SMALL + f"[scan]\nrun.seed = [0, 1]\nfolder = '{tmp_path}/points'\n")
    scan_state.write_manifest(scan_file.read(path, {}))
    for named in (path, tmp_path / "points"):
        with pytest.raises(InputError, match=r"--run\.seed: is scanned; --scan\.run\.seed gives it other values"):
            scan_state.read_scan(named, {"run.seed": "9"})
        assert len(scan_state.read_scan(named, {"scan.run.seed": "[5, 6, 7]"}).points) == 3


def test_a_scan_is_no_run_file(tmp_path):
    path = tmp_path / "ring.toml"
    path.write_text(SMALL + "[scan]\nrun.seed = [0, 1]\n")
    with pytest.raises(InputError, match="nqs scan"):
        run_file.read(path, {})
    assert [point.values["run.seed"] for point in scan_file.read(path, {"scan.run.seed": "[5]"}).points] == [5]


def test_the_scan_of_the_readme_is_that_of_the_transition():
    top = Path(__file__).parents[1]
    (block,) = re.findall(r"```toml\n(\[scan\]\n.*?)```", (top / "README.md").read_text(), re.DOTALL)
    transition = run_file.tables(top / "runs" / "ising_transition.toml")
    assert tomllib.loads(block)["scan"] == transition["scan"]
    found = scan_file.parse(transition, "ising_transition.toml")
    assert [point.error for point in found.points] == [""] * 13
    assert found.points[12].config is not None
    assert found.points[12].config.hamiltonian.transverse_field == 0.5

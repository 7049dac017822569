"""No run file built from the schema with random values gives a traceback; some of those that are built run."""

import re
import types
from collections import Counter
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from nqs.build import build_vmc
from nqs.driver import VMC
from nqs.errors import InputError, RunError
from nqs.parallel import Communicator
from nqs.run_file import parse_text
from nqs.schema import NETWORK_KEYS, Config, Custom, ParticleAnsatz
from nqs.schema_particles import Spinful

NUMBERS = st.one_of(
    st.integers(-2, 9), st.integers(-(2**63), 2**63 - 1), st.floats(), st.floats(-2, 2), st.sampled_from([0.5, 1e300])
)
SMALL_COUNTS = st.integers(1, 5)
RUBBISH = st.one_of(NUMBERS, st.booleans(), st.text(max_size=4), st.lists(NUMBERS, max_size=2), st.just({}))

OF_PARTICLES = (Spinful, ParticleAnsatz)

# Keys that name files, which there are none of, and keys whose right values depend on others.
FILES = ("edges", "couplings", "init_from", "operator", "arguments")
DEPENDENT = (
    "twist",
    "cell",
    "softening",
    "core_diameter",
    "density",
    "move",
    "pairs",
    "total_sz",
    "marshall",
    "pairing",
)
GIVEN = ("extent", "strings", "n_sites")
CHAIN = [{"transform": "clip_by_global_norm", "max_norm": 1.0}, {"transform": "scale_by_adam"}]
STRINGS = {"XXII": 0.5, "IIZZ": -1.0}
RIGHT = {"n_up": 1, "n_down": 1, "strings": STRINGS, "n_sites": 4, "instance": 3, "chain": CHAIN, "roll_back": 2.0}
AXES = {"chain": 1, "cubic": 3}


def values(annotation: Any, is_clean: bool) -> st.SearchStrategy:
    """Values of a type, mostly of the right one; sizes are small where they are right."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [note.le for note in arguments[1:] if isinstance(note, msgspec.Meta) and note.le is not None]
        return (
            st.just(min(4, *bounds)) if is_clean and arguments[0] is int and bounds else values(arguments[0], is_clean)
        )
    if is_clean and float in arguments and origin is not tuple:
        return values(float, is_clean)
    if origin in (Union, types.UnionType):
        return st.one_of(*(values(a, is_clean) for a in arguments if a is not type(None)))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        entries = values(arguments[0], is_clean) if get_origin(arguments[0]) is dict else SMALL_COUNTS
        return st.just([4]) if is_clean else st.lists(entries, max_size=3)
    if origin is dict:
        keys = st.sampled_from(
            ["schedule", "transform", "b1", "flip", "exchange", "global_flip", "init_value", "alpha", "features"]
        )
        entries = st.one_of(NUMBERS, st.sampled_from(["linear_schedule", "constant_schedule", "scale_by_adam"]))
        return st.just({"schedule": "constant_schedule", "value": 0.1}) if is_clean else st.dictionaries(keys, entries)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return tables(annotation, is_clean)
    reals = st.sampled_from([0.1, 0.5]) if is_clean else st.one_of(st.floats(-3, 3), SMALL_COUNTS)
    simple = {bool: st.booleans(), int: st.just(4) if is_clean else SMALL_COUNTS, float: reals}
    return simple.get(annotation, st.sampled_from(["x", "netket.models:RBM", "flax.linen:Dense", "none.h5", "J.txt"]))


def suitable(annotation: Any, has_particles: bool | None) -> Any:
    """The kinds of particles or of spins among those of a table; None for all of them."""
    kinds = [
        kind
        for kind in get_args(annotation)
        if isinstance(kind, type) and issubclass(kind, OF_PARTICLES) is has_particles and kind is not Custom
    ]
    return Union[*kinds] if kinds else annotation


def make_agree(table: dict[str, Any]) -> None:
    """Lengths of a lattice as it has axes, and a sampler that the ansatz can be sampled by."""
    if "extent" in table:
        table["extent"] = [4] if (n_axes := AXES.get(table.get("lattice", "chain"), 2)) == 1 else [2] * n_axes
    if "sampler" in table:
        ansatz = table.get("ansatz", {"kind": "rbm"})
        is_alone = all(ansatz.get(key, False) is False for key in NETWORK_KEYS)
        is_direct = ansatz["kind"] == "autoregressive" and is_alone
        table["sampler"] = {"kind": "direct" if is_direct else "metropolis", "n_samples": 4, "n_chains": 4}


@st.composite
def tables(draw, struct: type[msgspec.Struct], is_clean: bool) -> dict[str, Any]:
    """A table of a struct: required keys, some of the others, and unless `is_clean` now and then wrong ones."""
    table = {}
    has_particles = draw(st.integers(0, 3)) == 0 if struct is Config and is_clean else None
    for field in fields(struct):
        is_given = field.name in GIVEN or (field.name not in FILES + DEPENDENT and draw(st.booleans()))
        is_required = field.required or (has_particles and field.name == "ansatz")
        if is_required or (is_given if is_clean else draw(st.booleans())):
            is_wrong = not is_clean and draw(st.integers(0, 19)) == 0
            table[field.name] = draw(RUBBISH if is_wrong else values(suitable(field.type, has_particles), is_clean))
            if is_clean:
                table[field.name] = RIGHT.get(field.name, table[field.name])
    if (tag := struct.__struct_config__.tag) is not None:
        table["kind"] = tag
    if is_clean:
        make_agree(table)
    elif draw(st.integers(0, 19)) == 0:
        table[draw(st.text("abc_", min_size=1, max_size=3))] = draw(RUBBISH)
    return table


def built_or_refused(text: str) -> tuple[VMC | None, str]:
    try:
        return build_vmc(parse_text(text, "any.toml"), Communicator(), None, "any.toml"), ""
    except InputError as error:
        return None, str(error)


def outcome_of(vmc: VMC, steps: int) -> str:
    """The status of a run of so many steps, or why it failed."""
    try:
        return vmc.run(steps, measure_samples=1, measure_burn_in=1).status
    except RunError as error:
        return str(error)


def test_any_run_file_is_built_or_refused_in_one_line():
    outcomes = Counter()

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.booleans().flatmap(lambda is_clean: tables(Config, is_clean)))
    def check(content):
        vmc, refusal = built_or_refused(tomli_w.dumps(content))
        outcomes[vmc is not None] += 1
        if vmc is None:
            assert refusal.startswith("any.toml: ")
            assert len(refusal.splitlines()) == 1
        else:
            steps = int(vmc.view.size > 0)
            assert steps or content["ansatz"]["kind"] == "slater"
            assert vmc.optimizer.init(vmc.view.flatten(vmc.ansatz)) is not None
            if outcomes[True] % 5 == 1:
                ended = outcome_of(vmc, steps)
                outcomes["complete"] += ended == "complete"
                assert re.fullmatch(r"complete|(step \d+|measurement), rank 0: .*", ended)

    check()
    assert min(outcomes[True], outcomes[False]) > 10
    assert outcomes["complete"] > 1

"""No run file built from the schema with random values gives a traceback."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from nqs.build import build_vmc
from nqs.errors import InputError
from nqs.parallel import Communicator
from nqs.run_file import parse_text
from nqs.schema import Config

NUMBERS = st.one_of(
    st.integers(-2, 9), st.integers(-(2**63), 2**63 - 1), st.floats(), st.floats(-2, 2), st.sampled_from([0.5, 1e300])
)
SMALL_COUNTS = st.integers(1, 5)
RUBBISH = st.one_of(NUMBERS, st.booleans(), st.text(max_size=4), st.lists(NUMBERS, max_size=2), st.just({}))


def values(annotation: Any, name: str) -> st.SearchStrategy:
    """Values of a type, mostly of the right one; sizes are small where they are right."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values(arguments[0], name)
    if origin in (Union, types.UnionType):
        return st.one_of(*(values(a, name) for a in arguments if a is not type(None)))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(SMALL_COUNTS, max_size=3)
    if origin is dict:
        keys = st.sampled_from(["schedule", "flip", "exchange", "global_flip", "init_value", "alpha", "features"])
        entries = st.one_of(NUMBERS, st.sampled_from(["linear_schedule", "constant_schedule"]))
        return st.dictionaries(keys, entries, max_size=3)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return tables(annotation)
    simple = {bool: st.booleans(), int: SMALL_COUNTS, float: st.one_of(st.floats(-3, 3), SMALL_COUNTS)}
    return simple.get(annotation, st.sampled_from(["x", "netket.models:RBM", "flax.linen:Dense", "none.h5", "J.txt"]))


@st.composite
def tables(draw, struct: type[msgspec.Struct]) -> dict[str, Any]:
    """A table of a struct: required keys, some of the others, and now and then a wrong value or key."""
    table = {}
    for field in fields(struct):
        if field.required or draw(st.booleans()):
            is_wrong = draw(st.integers(0, 19)) == 0
            table[field.name] = draw(RUBBISH if is_wrong else values(field.type, field.name))
    if (tag := struct.__struct_config__.tag) is not None:
        table["kind"] = tag
    if draw(st.integers(0, 19)) == 0:
        table[draw(st.text("abc_", min_size=1, max_size=3))] = draw(RUBBISH)
    return table


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(tables(Config))
def test_any_run_file_is_built_or_refused_in_one_line(content):
    text = tomli_w.dumps(content)
    refusal = ""
    try:
        vmc = build_vmc(parse_text(text, "any.toml"), Communicator(), None, "any.toml")
    except InputError as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith("any.toml: ")
        assert len(refusal.splitlines()) == 1
        return
    assert vmc.view.size > 0
    assert vmc.optimizer.init(vmc.view.flatten(vmc.ansatz)) is not None

"""What the tables of a run file are made of."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args

from msgspec import Meta, Struct
from msgspec.structs import fields

Count = Annotated[int, Meta(ge=1, le=2**31)]
Many = Annotated[int, Meta(ge=1, le=10**8)]
Positive = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the run file."""


class Kind(Table, tag_field="kind", frozen=True, kw_only=True):
    """A table that says with `kind` which of several it is."""


class Custom(Kind, tag="custom", frozen=True, kw_only=True):
    """A class of your own: write kind = "module:Class" and its keyword arguments as keys, beside those of networks."""

    path: Annotated[
        str, Meta(description='"module:Class", from the folder of the run file, from here or an installed package')
    ]
    arguments: Annotated[dict[str, Any], Meta(description="keyword arguments of the class")] = {}


def inner_tables(struct: type[Struct]) -> Iterator[tuple[str, type[Struct]]]:
    """The keys of a table that are tables of their own, such as `sector`."""
    for field in fields(struct):
        for part in _parts(field.type):
            if isinstance(part, type) and issubclass(part, Table):
                yield field.name, part


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)

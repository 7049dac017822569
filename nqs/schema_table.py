"""What the tables of a run file are made of."""

from typing import Annotated, Any

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1, le=2**31)]
Many = Annotated[int, Meta(ge=1, le=10**8)]
Positive = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the run file."""


class Kind(Table, tag_field="kind", frozen=True, kw_only=True):
    """A table that says with `kind` which of several it is."""


class Custom(Kind, tag="custom", frozen=True, kw_only=True):
    """A class of your own: write kind = "module:Class" and its keyword arguments as keys."""

    path: Annotated[
        str, Meta(description='"module:Class", from the folder of the run file, from here or an installed package')
    ]
    arguments: Annotated[dict[str, Any], Meta(description="keyword arguments of the class")] = {}

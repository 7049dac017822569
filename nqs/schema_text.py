"""The schema as text, for `nqs run --help`."""

from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec.structs import fields

from nqs.schema import Config
from nqs.schema_table import inner_tables


def describe() -> str:
    """Every table, kind and key with its type, its default and what it means."""
    lines = []
    for table in fields(Config):
        structs = [table.type] if isinstance(table.type, type) else get_args(table.type)
        inner = dict(pair for struct in structs for pair in inner_tables(struct))
        for name, struct in [(table.name, s) for s in structs] + [
            (f"{table.name}.{key}", s) for key, s in inner.items()
        ]:
            lines += [*describe_table(name, struct), ""]
    return "\n".join(lines)


def describe_table(name: str, struct: type[msgspec.Struct]) -> list[str]:
    """The lines about one table."""
    tag = struct.__struct_config__.tag
    return [
        f"[{name}]" + (f'  kind = "{tag}"' if tag else ""),
        f"    {(struct.__doc__ or '').splitlines()[0]}",
        *(f"  {_key(field)}" for field in fields(struct)),
    ]


def _key(field: msgspec.structs.FieldInfo) -> str:
    annotation, description = _unwrapped(field.type)
    has_default = field.default is not None and field.default is not msgspec.NODEFAULT
    default = "required" if field.required else f"= {_toml(field.default)}" if has_default else ""
    return f"{field.name:<19}{default:<14} {description} ({_type(annotation)})"


def _unwrapped(annotation: Any) -> tuple[Any, str]:
    description = ""
    if get_origin(annotation) is Annotated:
        annotation, *notes = get_args(annotation)
        description = " ".join(n.description for n in notes if isinstance(n, msgspec.Meta) and n.description)
    return annotation, description


def _type(annotation: Any) -> str:
    annotation, _ = _unwrapped(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(_toml(a) for a in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return "table"
    if origin is Union or type(annotation).__name__ == "UnionType":
        return " | ".join(_type(a) for a in arguments if a is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return f"table of {', '.join(field.name for field in fields(annotation))}"
    return "text" if annotation is str else str(annotation.__name__)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)

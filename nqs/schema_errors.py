"""What is wrong with a run file, in words: the table, the key, what is allowed and what was meant."""

import difflib
import re
from typing import Any, NoReturn, get_args

import msgspec
from msgspec.structs import fields

from nqs import schema
from nqs.errors import InputError
from nqs.schema import Config
from nqs.schema_table import inner_tables


def explain(error: msgspec.ValidationError, content: dict[str, Any], name: str) -> NoReturn:
    """Turn the message of msgspec into one that names the table, the key, what is allowed and what was meant."""
    text, _, place = str(error).partition(" - at ")
    path = [part for part in re.sub(r".*\$|`|\[.*?\]", "", place).split(".") if part]
    struct = struct_at(path, content)
    keys = [field.name for field in fields(struct)] if struct else []
    where = f"[{'.'.join(path)}]" if path and struct else f"[{path[0]}] {'.'.join(path[1:])}" if path else "top level"
    unknown = re.search(r"unknown field `(.*)`", text)
    missing = re.search(r"missing required field `(.*)`", text)
    if unknown:
        thing = "key" if path else "table"
        message = f"{where} {unknown[1]}: no such {thing}{suggestion(unknown[1], keys)}; allowed: {listed(keys)}"
    elif missing and missing[1] == "kind":
        message = f"{where} kind: missing; allowed: {listed(_kinds(path))}"
    elif missing:
        message = f"{where} {missing[1]}: missing, and it has no default" + ("" if path else " (a table is required)")
    elif path and path[-1] == "kind" and "Invalid value" in text:
        wrong = str(content[path[0]]["kind"])
        message = f"{where}: no such kind {wrong!r}{suggestion(wrong, _kinds(path))}; allowed: {listed(_kinds(path))}"
    else:
        message = f"{where}: {_plain(text, path, content)}"
    raise InputError(f"{name}: {message}") from error


def _plain(text: str, path: list[str], content: dict[str, Any]) -> str:
    """The rest of the messages, with the choices of an enumeration."""
    invalid = re.search(r"Invalid enum value '(.*)'", text)
    struct = struct_at(path[:-1], content)
    if invalid and struct:
        (field,) = (f for f in fields(struct) if f.name == path[-1])
        choices = [c for c in _choices(field.type) if isinstance(c, str)]
        return f"{invalid[1]!r} is not allowed{suggestion(invalid[1], choices)}; allowed: {listed(choices)}"
    return text.replace("`", "").replace("object", "table").replace("array", "list").replace("Expected", "expected")


def struct_at(path: list[str], content: dict[str, Any]) -> type[msgspec.Struct] | None:
    """The struct of the table at a path; None where there is no such table."""
    if not path:
        return Config
    kinds = {field.name: _structs(field.type) for field in fields(Config)}.get(path[0], [])
    if not kinds:
        return None
    kind = content[path[0]].get("kind") if isinstance(content[path[0]], dict) else None
    of_kind = next((struct for struct in kinds if struct.__struct_config__.tag == kind), schema.Kind)
    found = kinds[0] if len(kinds) == 1 else of_kind
    return found if len(path) == 1 else dict(inner_tables(found)).get(path[1]) if len(path) == 2 else None


def _kinds(path: list[str]) -> list[str]:
    (field,) = (f for f in fields(Config) if f.name == path[0])
    return [str(struct.__struct_config__.tag) for struct in _structs(field.type)]


def _structs(annotation: Any) -> list[type[msgspec.Struct]]:
    return [annotation] if isinstance(annotation, type) else list(get_args(annotation))


def _choices(annotation: Any) -> list[Any]:
    """Every value in the Literals of an annotation, each once."""
    arguments = get_args(annotation)
    return list(dict.fromkeys(c for a in arguments for c in (_choices(a) if get_args(a) else [a])))


def suggestion(wrong: str, allowed: list[str]) -> str:
    """What was meant, if it is near."""
    close = difflib.get_close_matches(wrong, allowed, n=1)
    return f", did you mean {close[0]}?" if close else ""


def listed(names) -> str:
    return ", ".join(names)

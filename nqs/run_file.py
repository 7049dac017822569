"""From a TOML file and command-line overrides to a checked configuration, and back to text."""

import hashlib
import json
import math
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import tomli_w
from msgspec.structs import fields

from nqs.errors import InputError
from nqs.resolve import resolved
from nqs.schema import NETWORK_KEYS, Config
from nqs.schema_errors import explain, struct_at

# Keys of [run] that a continuation may change.
FREE_KEYS = ("steps", "output", "snapshot_seconds", "max_seconds")


def read(path: Path, overrides: dict[str, str]) -> Config:
    """The resolved configuration of a run file with `overrides` (key path to text) put over it.

    Raises `InputError` naming the file, the table and the key, what is allowed and the nearest right spelling.
    """
    return _parse(tables(path), str(path), overrides)


def tables(path: Path) -> dict[str, Any]:
    """The tables of a TOML file, unchecked.

    Raises `InputError` if it cannot be read or is none.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a TOML file: {error}") from error
    return _tables(text, str(path))


def parse(content: dict[str, Any], name: str) -> Config:
    """The resolved configuration in the tables of the file called `name`.

    Raises `InputError`.
    """
    if "scan" in content:
        raise InputError(f"{name}: [scan]: this is a scan: nqs scan runs all its points")
    _check_finite(content, name, "")
    content = {table: _with_kind(table, value) for table, value in _with_sampler(content).items()}
    try:
        config = msgspec.convert(content, Config)
    except msgspec.ValidationError as error:
        explain(error, content, name)
    return resolved(config, name)


def parse_text(text: str, name: str, overrides: dict[str, str] | None = None) -> Config:
    """The configuration in the TOML text that came from the file called `name`, with overrides put over it.

    Raises `InputError`.
    """
    return _parse(_tables(text, name), name, overrides or {})


def _tables(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: not a TOML file: {error}") from error


def _parse(content: dict[str, Any], name: str, overrides: dict[str, str]) -> Config:
    try:
        return parse(overridden(content, overrides), name)
    except RecursionError as error:
        raise InputError(f"{name}: tables are nested too deeply") from error


def to_toml(config: Config) -> str:
    """The resolved run file; keys without a value are left out."""
    return tomli_w.dumps(_without_none(msgspec.to_builtins(config)))


def config_hash(config: Config) -> str:
    """A hash of everything that a continuation may not change."""
    return hashlib.sha256(json.dumps(_fixed(config), sort_keys=True).encode()).hexdigest()[:16]


def difference(old: Config, new: Config) -> list[str]:
    """The keys in which two configurations differ, as lines "key: old -> new"; free keys do not count."""
    before, after = flat(old), flat(new)
    keys = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
    return [f"{key}: {before.get(key, 'absent')} -> {after.get(key, 'absent')}" for key in keys]


def overridden(content: dict[str, Any], overrides: dict[str, str]) -> dict[str, Any]:
    """Put overrides, key path to text, over the content; text that is no TOML is a string.

    Raises `InputError` naming one that leads through something that is not a table.
    """
    values = {}
    for path, text in overrides.items():
        try:
            values[path] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[path] = text
    return put(content, values)


def put(content: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Put values, by key path, over the content; the keys that another `kind` does not have make way.

    Raises `InputError` as `overridden`.
    """
    for path, value in sorted(values.items(), key=lambda item: not item[0].endswith(".kind")):
        *tables, key = path.split(".")
        target = content
        for table in tables:
            target = target.setdefault(table, {})
            if not isinstance(target, dict):
                raise InputError(f"--{path}: {table} is not a table")
        if key == "kind" and target.get("kind", value) != value:
            struct = struct_at(tables, {**content, tables[-1]: {"kind": value}})
            known = {field.name for field in fields(struct)} if struct else set()
            for other in set(target) - known:
                del target[other]
        target[key] = value
    return content


def _with_sampler(content: dict[str, Any]) -> dict[str, Any]:
    """An autoregressive ansatz that is alone, and so normalised, is sampled directly unless the file says otherwise."""
    ansatz, sampler = content.get("ansatz"), content.get("sampler", {})
    if not isinstance(ansatz, dict) or not isinstance(sampler, dict) or ansatz.get("kind") != "autoregressive":
        return content
    if any(ansatz.get(key, False) is not False for key in NETWORK_KEYS):
        return content
    return {**content, "sampler": {"kind": "direct", **sampler}}


def _with_kind(table: str, value: Any) -> Any:
    """A table without `kind` is of the default kind, where there is one; "module:Class" is a class of the user."""
    if isinstance(value, dict) and ":" in str(value.get("kind", "")):
        return {"kind": "custom", "path": value["kind"], "arguments": {k: v for k, v in value.items() if k != "kind"}}
    default = next((field.default for field in fields(Config) if field.name == table), None)
    tag = default.__struct_config__.tag if isinstance(default, msgspec.Struct) else None
    return {"kind": tag, **value} if tag is not None and isinstance(value, dict) else value


def _check_finite(value: Any, name: str, path: str) -> None:
    if isinstance(value, dict):
        for key, child in value.items():
            _check_finite(child, name, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for child in value:
            _check_finite(child, name, path)
    elif isinstance(value, float) and not math.isfinite(value):
        table, _, key = path.rpartition(".")
        raise InputError(f"{name}: [{table}] {key}: must be a finite number, not {value}")


def flat(config: Config) -> dict[str, Any]:
    """The value of each key of the resolved run file that a continuation may not change, by key path."""
    return _flat(_fixed(config))


def _fixed(config: Config) -> dict[str, Any]:
    content = _without_none(msgspec.to_builtins(config))
    content["run"] = {key: value for key, value in content["run"].items() if key not in FREE_KEYS}
    return content


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(child) for key, child in value.items() if child is not None}
    return list(value) if isinstance(value, tuple) else value


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {path: value}
    return {k: v for key, child in value.items() for k, v in _flat(child, f"{path}.{key}" if path else key).items()}

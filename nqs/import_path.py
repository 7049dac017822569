"""Classes and other things that a run file names as "package.module:name"."""

import importlib
import inspect
import sys
from collections.abc import Callable, Collection, Container
from pathlib import Path
from typing import Any, TypeVar

from nqs import schema
from nqs.schema_errors import listed, suggestion

T = TypeVar("T")

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def look_beside(run_file: Path) -> None:
    """Let modules be found in the folder of a run file, then where we are, then among the installed packages."""
    for folder in ("", str(run_file.parent.resolve())):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def imported(path: str, key: str) -> Any:
    """What is at a path that a run file gives by this key; `ValueError` if there is nothing."""
    module_name, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module_name), name)
    except Exception as error:  # whatever the module raises
        raise ValueError(
            f"{key}: {path!r} cannot be imported from the folder of the run file, from here or the installed packages: "
            f'{type(error).__name__}, {error}; it must be "package.module:name", and PYTHONPATH names other folders'
        ) from error


def made(
    table: schema.Custom | schema.CustomNetwork,
    bases: tuple[type[T], ...],
    *arguments: Any,
    other_keys: tuple[str, ...] = (),
    **options: Any,
) -> T:
    """An object of a class of the user, with the arguments in its table, which may have other keys as well.

    Raises `ValueError` naming the key if it is none of the `bases`, or if it has no such key or needs another one.
    """
    kind = own_class(table.path, bases)
    check_keys(kind, table.arguments, len(arguments), options, other_keys)
    return kind(*arguments, **options, **table.arguments)


def own_class(path: str, bases: tuple[type[T], ...]) -> type[T]:
    """The class of the user at a path; `ValueError` if it is none of the `bases`."""
    kind = imported(path, "kind")
    if not (isinstance(kind, type) and issubclass(kind, bases)):
        allowed = " or ".join(f"{base.__module__}.{base.__name__}" for base in bases)
        raise ValueError(f"kind: {path!r} is not a class of {allowed}")
    return kind


def check_keys(
    called: Callable[..., Any],
    given: Collection[str],
    n_arguments: int = 0,
    options: Container[str] = (),
    other_keys: Collection[str] = (),
) -> None:
    """Refuse keys that are not arguments of what is called, beside the first `n_arguments` and the `options`.

    Raises `ValueError` naming the key, also if one is missing. `other_keys` are those that the table may have as well.
    """
    try:
        parameters = list(inspect.signature(called).parameters.values())[n_arguments:]
    except ValueError:  # of what is compiled and says nothing of its arguments
        return
    keys = {one.name: one.default for one in parameters if one.kind in NAMED and one.name not in options}
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)
    for key in given:
        if key not in keys and not takes_any:
            allowed = list(dict.fromkeys([*keys, *other_keys]))
            raise ValueError(f"{key}: no such key{suggestion(key, allowed)}; allowed: {listed(allowed) or 'none'}")
    for key, default in keys.items():
        if default is inspect.Parameter.empty and key not in given:
            raise ValueError(f"{key}: missing, and it has no default")

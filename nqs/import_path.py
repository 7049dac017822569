"""Classes that a run file names as "package.module:Class"."""

import importlib
import sys
from typing import Any, TypeVar

from nqs import schema

T = TypeVar("T")


def imported(path: str) -> Any:
    """The class, from here or an installed package; `ValueError` if there is none."""
    module_name, _, name = path.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module_name), name)
    except Exception as error:  # whatever the module raises
        raise ValueError(
            f"module {path!r} cannot be imported from here or the installed packages: {type(error).__name__}, {error}; "
            'it must be "package.module:Class"'
        ) from error


def made(table: schema.Custom, base: type[T], *arguments: Any, **options: Any) -> T:
    """An object of a class of the user, with the keys of its table; `ValueError` if it is not a `base`."""
    made = imported(table.path)(*arguments, **options, **table.arguments)
    if not isinstance(made, base):
        raise ValueError(f"{table.path} is not a {base.__name__}")
    return made

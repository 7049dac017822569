"""The source text of Hamiltonians and ansätze that do not come with the package."""

import hashlib
import inspect
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

OWN = ("nqs", "hamiltonians")


def user_sources(hamiltonian: Any, ansatz: Any) -> dict[str, str]:
    """The text and the SHA-256 of the files of each class, by "hamiltonian_source", "hamiltonian_sha256" and so on.

    The files are that of the class and those of the modules that it imports, each of these below a line with its name.
    Classes and modules of this package and of installed ones, which have a version, are left out, as are those without
    a file.
    """
    classes = {"hamiltonian": type(hamiltonian), "ansatz": type(getattr(ansatz, "module", ansatz))}
    found = {}
    for name, kind in classes.items():
        if text := _source(kind):
            found |= {f"{name}_source": text, f"{name}_sha256": hashlib.sha256(text.encode()).hexdigest()}
    return found


def changed_sources(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Which of the classes, "hamiltonian" or "ansatz", have another source than in an earlier launch."""
    hashes = [key for key in now if key.endswith("_sha256")]
    return [key.removesuffix("_sha256") for key in hashes if before.get(key, now[key]) != now[key]]


def _source(kind: type) -> str:
    text = _text(sys.modules.get(kind.__module__))
    if not text:
        return ""
    helpers = _imported(sys.modules[kind.__module__], {kind.__module__})
    return "\n".join([text, *(f"# {name}\n\n{_text(sys.modules[name])}" for name in sorted(helpers))])


def _imported(module: ModuleType, seen: set[str]) -> set[str]:
    """The names of modules with a text that a module imports, or names of which it imports, and of theirs in turn."""
    found = set()
    for value in vars(module).values():
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and name not in seen and _text(sys.modules.get(name)):
            seen.add(name)
            found |= {name} | _imported(sys.modules[name], seen)
    return found


def _text(module: ModuleType | None) -> str:
    """The file of a module of the user; empty for all others."""
    if module is None or module.__name__.partition(".")[0] in OWN:
        return ""
    try:
        path = Path(inspect.getfile(module)).resolve()
        installed = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")]
        return "" if any(map(path.is_relative_to, installed)) else path.read_text()
    except (OSError, TypeError, UnicodeDecodeError):  # a module of a session, or of an extension
        return ""

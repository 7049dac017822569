"""The source text of Hamiltonians and ansätze that do not come with the package."""

import ast
import functools
import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import equinox as eqx
import jax

OWN = ("nqs", "hamiltonians")


def user_sources(hamiltonian: Any, ansatz: Any) -> dict[str, str]:
    """The text and the SHA-256 of the files of each class, by "hamiltonian_source", "hamiltonian_sha256" and so on.

    The files are that of the class, or of the module that an operator was `defined_in`, and those of the modules in
    its package or folder that it imports, each of these below a line with its name. Classes of this package and of
    installed ones, which have a version, are left out, as are those without a file; a product or a projection of this
    package stands for the classes in it.
    """
    operator = sys.modules.get(getattr(hamiltonian, "defined_in", ""))
    of_hamiltonian = [_source(operator or type(hamiltonian))]
    found = {}
    for name, texts in (("hamiltonian", of_hamiltonian), ("ansatz", _ansatz_sources(ansatz))):
        if text := "\n".join(dict.fromkeys(texts)):
            found |= {f"{name}_source": text, f"{name}_sha256": hashlib.sha256(text.encode()).hexdigest()}
    return found


def changed_sources(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Which of the classes, "hamiltonian" or "ansatz", have another source than in an earlier launch."""
    hashes = [key for key in now if key.endswith("_sha256")]
    return [key.removesuffix("_sha256") for key in hashes if before.get(key, now[key]) != now[key]]


def _ansatz_sources(ansatz: eqx.Module) -> Iterator[str]:
    if text := _source(type(getattr(ansatz, "module", ansatz))):
        yield text
        return
    for part in jax.tree.leaves(ansatz, is_leaf=lambda node: isinstance(node, eqx.Module) and node is not ansatz):
        if isinstance(part, eqx.Module):
            yield from _ansatz_sources(part)


@functools.cache
def _source(origin: type | ModuleType) -> str:
    """As it is when it is first asked for, soon after the import: edits of the files do not change what runs."""
    module = origin if isinstance(origin, ModuleType) else sys.modules.get(origin.__module__)
    path = _path(module)
    if module is None or path is None:
        return ""
    top = path.parents[max(0, len(module.__name__.split(".")) - 2)]  # of a package the package, else the folder
    helpers = _imported(module, top, {module.__name__})
    return "\n".join([path.read_text(), *(f"# {name}\n\n{text}" for name, text in sorted(helpers.items()))])


def _imported(module: ModuleType, folder: Path, seen: set[str]) -> dict[str, str]:
    """The texts, by name, of modules of a folder that a module imports, and of those that these import in turn."""
    found: dict[str, str] = {}
    path = _path(module)
    for name in _import_names(module, path.read_text() if path else ""):
        other = sys.modules.get(name)
        place = _path(other)
        if other is None or place is None or name in seen or not place.is_relative_to(folder):
            continue
        seen.add(name)
        found |= {name: place.read_text(), **_imported(other, folder, seen)}
    return found


def _import_names(module: ModuleType, text: str) -> list[str]:
    """What the import statements of a module may mean: modules, or names in them."""
    package, names = module.__package__ or "", []
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # edited since it was imported
        return []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            outer = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*outer, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


def _path(module: ModuleType | None) -> Path | None:
    """The file of a module of the user, of text; None for all others."""
    if module is None or module.__name__.partition(".")[0] in OWN:
        return None
    try:
        path = Path(inspect.getfile(module)).resolve()
        path.read_text()
    except (OSError, TypeError, UnicodeDecodeError):  # a module of a session, or of an extension
        return None
    installed = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")]
    return None if any(map(path.is_relative_to, installed)) else path

"""The source text of Hamiltonians and ansätze that do not come with the package."""

import hashlib
import inspect
import sysconfig
from pathlib import Path
from typing import Any

OWN = ("nqs", "hamiltonians")


def user_sources(hamiltonian: Any, ansatz: Any) -> dict[str, str]:
    """The text and the SHA-256 of the file of each class, by "hamiltonian_source", "hamiltonian_sha256" and so on.

    Classes of this package and of installed ones, which have a version, are left out, as are those without a file.
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
    if kind.__module__.partition(".")[0] in OWN:
        return ""
    try:
        path = Path(inspect.getfile(kind)).resolve()
        installed = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")]
        return "" if any(map(path.is_relative_to, installed)) else path.read_text()
    except (OSError, TypeError, UnicodeDecodeError):  # a class of a session, or of an extension
        return ""

"""The start of JAX, whose environment may be wrong, and where it keeps what it compiles."""

import hashlib
import os
import platform
import re
import warnings
from pathlib import Path

from nqs.errors import InputError

# Seconds of compilation from which on a program is kept.
WORTH_KEEPING = 0.2


def start_jax() -> None:
    """Import JAX, let it keep what it compiles for the next run, and look for its devices.

    Raises `InputError` if its environment variables are wrong or there is nothing to compute on.
    """
    try:
        import jax

        if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
            folder = cache_folder()
            if folder is not None:
                jax.config.update("jax_compilation_cache_dir", str(folder))
        if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
            jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)
        # Ranks write the same entry at once, and who reads it half-written compiles the program itself.
        warnings.filterwarnings("ignore", "Error reading persistent compilation cache entry")
        jax.devices()
    except (RuntimeError, ValueError) as error:
        raise InputError(f"JAX does not start: {error}") from error


def cache_folder() -> Path | None:
    """`nqs/jax-<processor>` in the user's folder of caches, made if it is not there; None if that cannot be.

    Programs for one processor may not run on another that shares this home.
    """
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = caches / "nqs" / f"jax-{_processor()}"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _processor() -> str:
    """A name of this kind of processor, by what it can do."""
    try:
        lines = re.findall(r"^(?:model name|flags|Features)\s*:.*$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        lines = []
    described = "\n".join([platform.machine(), *sorted(set(lines))])
    return hashlib.sha256(described.encode()).hexdigest()[:12]

"""What a person names on the command line: a run file, or a result that holds one."""

import json
from pathlib import Path

from nqs import run_file
from nqs.errors import InputError
from nqs.results import Result
from nqs.schema import Config

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read_source(path: Path, overrides: dict[str, str]) -> tuple[Config, Result | None]:
    """The configuration of a run file, or the one stored in a result, and that result.

    The output of a result's configuration is the result itself, unless it is overridden.

    Raises `InputError`.
    """
    if not _is_hdf5(path):
        return run_file.read(path, overrides), None
    from nqs import results

    result = results.read(path)
    if not result.config:
        raise InputError(f"{path}: the result of a script, not of a run file")
    output = json.dumps(str(path), ensure_ascii=False)  # a string of TOML as well
    return run_file.parse_text(result.config, str(path), {"run.output": output, **overrides}), result


def _is_hdf5(path: Path) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except OSError:
        return False

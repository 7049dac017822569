"""What a person names on the command line: a run file, or a result that holds one; and what is there of it."""

import json
from pathlib import Path

from nqs import results, run_file
from nqs.errors import InputError
from nqs.results import Result
from nqs.schema import Config
from nqs.writer import exists

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read_source(path: Path, overrides: dict[str, str]) -> tuple[Config, Result | None]:
    """The configuration of a run file, or the one stored in a result, and that result.

    The output of a result's configuration is the result itself, unless it is overridden.

    Raises `InputError`.
    """
    if not is_hdf5(path):
        return run_file.read(path, overrides), None
    result = results.read(path)
    if not result.config:
        raise InputError(f"{path}: the result of a script, not of a run file")
    output = json.dumps(str(path), ensure_ascii=False)  # a string of TOML as well
    return run_file.parse_text(result.config, str(path), {"run.output": output, **overrides}), result


def result_to_continue(output: Path, config: Config) -> Result | None:
    """The result of an earlier launch of a configuration, or None to start.

    Raises `InputError` if what is there is not that.
    """
    if not exists(output):
        return None
    previous = results.read(output)
    if not previous.config:
        raise InputError(f"{output} exists, the result of a script: give another run.output, or --fresh to keep both")
    changes = changes_since(previous, config, str(output))
    if changes:
        raise InputError(
            f"{output} exists with another configuration ({'; '.join(changes)}): "
            "give another run.output, or --fresh to start over and keep the old file"
        )
    return previous


def changes_since(result: Result, config: Config, name: str) -> list[str]:
    """What a configuration has that is not as in the result in the file called `name`, as lines."""
    if result.config_hash == run_file.config_hash(config):
        return []
    return run_file.difference(run_file.parse_text(result.config, name), config)


def is_hdf5(path: Path) -> bool:
    """Whether there is an HDF5 file that can be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except OSError:
        return False

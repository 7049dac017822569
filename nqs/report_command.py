"""`nqs report`: one table over any number of results, and what is suspicious about them."""

import sys
from pathlib import Path

from nqs.errors import InputError
from nqs.report import print_report
from nqs.report_table import warnings, write_table
from nqs.result_files import results_of


def report(paths: list[Path], output: Path | None) -> int:
    """Print the table of the results in files and scans, and write it to `output`; the exit code.

    Raises `InputError` if there is no result at all or the table cannot be written.
    """
    found, changes, refusals = results_of(paths)
    if not found and not refusals:
        raise InputError(f"{', '.join(map(str, paths))}: no point has a result yet")
    if found:
        print_report(found)
        for path, result in found:
            for warning in warnings(result):
                print(f"{path.stem}: {warning}")
        for change in changes:
            print(change)
        if output is not None:
            write_table(output, found)
    sys.stdout.flush()
    sys.stderr.writelines(f"nqs: {refusal}\n" for refusal in refusals)
    return 2 if refusals else 0

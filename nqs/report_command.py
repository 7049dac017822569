"""`nqs report`: one table over any number of results, and what is suspicious about them."""

import sys
from pathlib import Path

from nqs.errors import InputError
from nqs.report import print_report
from nqs.report_averages import averages_table, print_averages
from nqs.report_table import warnings, write_columns, write_table
from nqs.result_files import is_scan, results_of
from nqs.scan_average import counted, groups
from nqs.scan_file import Scan
from nqs.scan_state import read_scan, state_of


def report(paths: list[Path], output: Path | None, averaged: str | None) -> int:
    """Print the table of the results in files and scans, or of averages over a key of a scan, and write it to `output`;
    the exit code.

    Raises `InputError` if there is no result at all or the table cannot be written.
    """
    if averaged is not None:
        if len(paths) != 1 or not is_scan(paths[0]):
            raise InputError("nqs report --average: takes one scan")
        return _averages(read_scan(paths[0], {}), averaged, output)
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
    return _refused(refusals)


def _averages(scan: Scan, averaged: str, output: Path | None) -> int:
    states = [state_of(point) for point in scan.points]
    found = groups(scan, states, averaged)
    print_averages(found, averaged)
    print(counted(scan, found, states), flush=True)
    if output is not None:
        write_columns(output, averages_table(found, averaged), found[0].points[0][1].energy_unit)
    return _refused([state.note for state in states if state.progress == "broken"])


def _refused(reasons: list[str]) -> int:
    """Say why results could not be read; the exit code."""
    sys.stderr.writelines(f"nqs: {reason}\n" for reason in reasons)
    return 2 if reasons else 0

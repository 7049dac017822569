"""Standard output that cannot be written any more: a closed pipe, a full disk."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def may_fail_to_print() -> Iterator[None]:
    """What is printed inside is lost if it cannot be written, and so is all that follows; the work goes on."""
    try:
        yield
        sys.stdout.flush()
    except OSError:
        silence()


def silence() -> None:
    """Let standard output lead nowhere, so that the end of the program does not fail at it either."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

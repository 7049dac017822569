"""What the commands that run on all ranks have in common."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from nqs.errors import InputError, RunError
from nqs.launcher import is_first_rank
from nqs.parallel import Communicator, connect
from nqs.rank_log import RankLog
from nqs.stopping import Signals

STOPPED = 75


def on_all_ranks(command: Callable[[Communicator, Signals], int], log_dir: Path | None = None) -> int:
    """The exit code of a command; a rank that fails in an unforeseen way ends all of them.

    With `log_dir` every rank keeps a log of its own there.
    """
    try:
        communicator = connect()
    except InputError as error:
        return _say(error if is_first_rank() else None, 2)
    try:
        with Signals() as signals, ExitStack() as stack:
            if log_dir is not None:
                rank, size = communicator.rank, communicator.size
                stack.enter_context(communicator.agreed(lambda: RankLog(log_dir, rank, size)))
            return command(communicator, signals)
    except InputError as error:
        return _say(error if communicator.is_root else None, 2)
    except RunError as error:
        return _say(error if communicator.is_root else None, 1)
    except KeyboardInterrupt as error:
        if communicator.size > 1:
            communicator.abort(error)
        return 130
    except BaseException as error:
        communicator.abort(error)


def _say(error: Exception | None, code: int) -> int:
    if error is not None:
        print(f"nqs: {error}", file=sys.stderr, flush=True)
    return code

"""`commands_program.py JSON` calls `nqs …` once for each list of arguments, on all ranks, and says how the first left.

Several commands in one program cost its start, of seconds for each rank, only once.
"""

import json
import os
import sys

from nqs import cli

rank = os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK", "0"))
for arguments in json.loads(sys.argv[1]):
    try:
        cli.main([str(argument) for argument in arguments])
    except SystemExit as left:
        if rank == "0":
            sys.stderr.write(f"nqs: code {left.code}\n")

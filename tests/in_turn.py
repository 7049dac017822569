"""Several ranks in one process, one after the other."""

from typing import Any

import numpy as np

from nqs.parallel import Communicator


class InTurn(Communicator):
    """One of `size` ranks that run in turn. What rank 0 broadcasts the later ones find in `shared`; it finds sums and
    gathered arrays there when its turn comes last.
    """

    def __init__(self, rank: int, size: int, shared: dict[str, Any]):
        super().__init__()
        self.rank, self.size, self.shared = rank, size, shared

    def broadcast(self, values, root=0):
        if self.rank == root:
            self.shared["broadcast"] = np.array(values)
        return self.shared["broadcast"]

    def gather(self, values, axis=0):
        self.shared.setdefault("gathered", {})[self.rank] = values
        parts = self.shared["gathered"]
        return np.concatenate([parts[rank] for rank in range(self.size)], axis) if self.is_root else None

    def sum_on_root(self, values):
        self.shared.setdefault("summed", {})[self.rank] = values
        return sum(self.shared["summed"].values()) if self.is_root else None


def all_ranks(size: int) -> list[InTurn]:
    """So many ranks; let rank 0 end last."""
    shared: dict[str, Any] = {}
    return [InTurn(rank, size, shared) for rank in range(size)]

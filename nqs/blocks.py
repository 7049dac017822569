"""Averages over long chains at fixed parameters, and any function of them, with errors from blocks."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float, Int

from nqs.parallel import Communicator
from nqs.statistics import block_sizes, blocks_per_chain

# Errors that are smaller than this, relative to the value, are rounding: the value is the same in every block.
ROUNDING = 1e-13

Sums = Mapping[str, Float[np.ndarray, "n_chains blocks ..."]]
Number = np.ndarray | np.floating
Means = Mapping[str, Number]


class Blocks:
    """Sums of named values over blocks of `n_chains` chains (of all ranks together), each of `length` samples.

    The blocks are those of `nqs.statistics`: whole chains, or parts of them where there are few chains.
    """

    sizes: Int[np.ndarray, " blocks"]

    def __init__(self, n_chains: int, length: int):
        self.sizes = block_sizes(length, blocks_per_chain(n_chains, length))
        self._block_of = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self._n_added = 0
        self._sums: dict[str, np.ndarray] = {}

    def add(self, values: Mapping[str, Float[np.ndarray, "n_local steps ..."]]) -> None:
        """Add the next samples of the chains of this rank."""
        n_steps = next(iter(values.values())).shape[1]
        block_of = self._block_of[self._n_added : self._n_added + n_steps]
        self._n_added += n_steps
        for name, array in values.items():
            shape = (len(array), len(self.sizes), *array.shape[2:])
            sums = self._sums.setdefault(name, np.zeros(shape))
            for block in np.unique(block_of):
                sums[:, block] += array[:, block_of == block].sum(axis=1)

    def gathered(self, communicator: Communicator) -> Sums | None:
        """The sums of all chains in global order, on rank 0, None elsewhere; collective.

        Raises `RunError` naming the ranks whose values are not finite.
        """
        for name, sums in self._sums.items():
            communicator.require_finite(sums, "measurement", f"the estimator of {name}")
        gathered = {name: communicator.gather(sums) for name, sums in self._sums.items()}
        return {name: sums for name, sums in gathered.items() if sums is not None} or None


def jackknife(
    function: Callable[[Means], Number], sums: Sums, sizes: Int[np.ndarray, " blocks"]
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """A function of the means of all samples, free of its bias of first order, and its error; NaN for a single block.

    With n samples in B blocks of sizes n_b, h_b = n/n_b, f the function of all means and f_(b) without block b:

        value = Σ_b p_b/h_b,  error² = Σ_b (p_b − value)²/(h_b − 1)/B,  p_b = h_b f − (h_b − 1) f_(b).

    For a mean p_b is the mean of block b, the value the mean of all samples, and the error that of blocking
    (F. Busing, E. Meijer and R. van der Leeden, Statistics and Computing 9, 3, 1999).
    """
    n_chains = len(next(iter(sums.values())))
    counts = np.tile(sizes, n_chains)
    n_samples, n_blocks = counts.sum(), len(counts)
    by_block = {name: array.reshape(n_blocks, *array.shape[2:]) for name, array in sums.items()}
    totals = {name: array.sum(axis=0) for name, array in by_block.items()}
    whole = np.asarray(function({name: total / n_samples for name, total in totals.items()}))
    if n_blocks < 2:
        return whole, np.full_like(whole, np.nan)
    without = np.stack(
        [
            function({name: (totals[name] - by_block[name][b]) / (n_samples - counts[b]) for name in totals})
            for b in range(n_blocks)
        ]
    )
    h = (n_samples / counts).reshape(-1, *[1] * whole.ndim)
    pseudo = h * whole - (h - 1) * without
    value = np.asarray(np.sum(pseudo / h, axis=0))
    error = np.sqrt(np.mean((pseudo - value) ** 2 / (h - 1), axis=0))
    return value, np.where(error < ROUNDING * np.abs(value), 0.0, error)

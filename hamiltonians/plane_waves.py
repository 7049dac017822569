"""Plane waves of a periodic cell: wave vectors, and the shells of equal energy that they fill."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Float, Int

# Energies belong to one shell if they differ by less than this fraction of the largest that is looked at.
SAME_SHELL = 1e-9


def wave_vectors(
    numbers: Int[np.ndarray, "n dim"], cell: Float[np.ndarray, "dim dim"], twist: Sequence[float] | float = 0.0
) -> Float[np.ndarray, "n dim"]:
    """k = Σ_j (n_j + θ_j) b_j, where the reciprocal lattice vectors b_j belong to the rows a_k of `cell`.

    b_j·a_k = 2π δ_jk.
    """
    return 2 * np.pi * (numbers + np.asarray(twist)) @ np.linalg.inv(cell).T


def occupied_momenta(n: int, cell: Float[np.ndarray, "dim dim"], twist: Sequence[float]) -> Int[np.ndarray, "n dim"]:
    """The integer vectors n_j of the n plane waves of lowest energy at a twist θ, ascending in energy.

    Of a shell that they fill in part they are the first ones in the order of their components.
    """
    return _shells(n, cell, twist)[0][:n]


def closed_shells(n: int, cell: Float[np.ndarray, "dim dim"], twist: Sequence[float]) -> Int[np.ndarray, " ends"]:
    """0 and the numbers of particles of one spin that fill whole shells, up to one that is larger than n."""
    return _shells(n, cell, twist)[1]


def _shells(
    n: int, cell: Float[np.ndarray, "dim dim"], twist: Sequence[float]
) -> tuple[Int[np.ndarray, "m dim"], Int[np.ndarray, " ends"]]:
    """Plane waves ascending in energy, those of a shell in the order of their vectors, and how many fill whole shells.

    The last of these numbers is larger than n.
    """
    reach = 0
    while True:
        reach += 1
        numbers = np.array(list(product(range(-reach, reach + 1), repeat=len(cell))))
        energies = np.sum(wave_vectors(numbers, cell, twist) ** 2, axis=1)
        # As k·a_j = 2π (n_j + θ_j), every plane wave below this energy is among the numbers.
        complete = np.min(2 * np.pi * (reach + 1 - np.abs(twist)) / np.linalg.norm(cell, axis=1)) ** 2
        order = np.argsort(energies)[: np.sum(energies < complete * (1 - SAME_SHELL))]
        is_new = np.diff(energies[order]) > SAME_SHELL * complete
        closed = np.concatenate([[0], 1 + np.flatnonzero(is_new)])
        if closed[-1] > n:
            shell = np.concatenate([[0], np.cumsum(is_new)])
            return numbers[order][np.lexsort((*numbers[order].T[::-1], shell))], closed

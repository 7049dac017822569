"""Numbers of particles that fill shells of equal energy."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from hamiltonians.space import Particles


def shell_error(n: int, closed: Int[np.ndarray, " ends"], of_what: str) -> str | None:
    """What is wrong with n particles of one spin if n is not among the `closed` numbers, the last larger than n."""
    if n in closed:
        return None
    nearest = [end for end in (max(closed[closed < n]), min(closed[closed > n])) if end > 0]
    return f"leaves a shell of {of_what} open; {' and '.join(map(str, nearest))} close it"


def check_shells(space: Particles, closed: Callable[[int], Int[np.ndarray, " ends"]], of_what: str) -> None:
    """Raises `ValueError` naming the spin whose particles leave a shell open, and the nearest `closed` numbers."""
    for name, n in (("n_up", space.n_up), ("n_down", space.n_down)):
        if error := shell_error(n, closed(n), of_what):
            raise ValueError(f"{name} = {n} {error}, or allow it with open_shells = true")

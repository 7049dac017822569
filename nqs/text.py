"""Numbers as a person reads them."""

import math
from typing import Any


def with_error(value: float, error: float) -> str:
    """A value whose digits stop where its error starts: "-50.9268 ± 0.0014"."""
    if not math.isfinite(error) or error < 0:
        return f"{value:.4g} ± ?"
    if error == 0:
        return f"{value:.12g} ± 0"
    decimals = max(0, 1 - math.floor(math.log10(float(f"{error:.1e}"))))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def plain(value: float, digits: int = 3) -> str:
    """A number of a few digits, or a dash where it is undefined."""
    return f"{value:.{digits}g}" if math.isfinite(value) else "-"


def size(n_bytes: int) -> str:
    """A size of memory."""
    amount = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} GB"


def duration(seconds: float) -> str:
    """A time as a person says it: "12 s", "1:05 min", "2:30 h"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    unit, large = ("min", round(seconds)) if seconds < 3600 else ("h", round(seconds / 60))
    return f"{large // 60}:{large % 60:02d} {unit}"


def system_size(space: Any) -> str:
    """How large a space is: "40 sites", "7 + 7 particles in 3 dimensions"."""
    if hasattr(space, "n_sites"):
        return f"{space.n_sites} sites"
    count = f"{space.n_up} bosons" if space.are_bosons else f"{space.n_up} + {space.n_down} particles"
    return f"{count} in {space.dim} dimensions"


def unit(energy_unit: str) -> str:
    """A unit after "in": "the unit of J", "hartree"."""
    return f"the {energy_unit}" if energy_unit.startswith("unit") else energy_unit

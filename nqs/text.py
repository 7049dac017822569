"""Numbers as a person reads them."""

import math


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

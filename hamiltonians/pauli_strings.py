"""Any operator of spins 1/2 as a sum of Pauli strings."""

from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Float

from hamiltonians.space import Spins
from hamiltonians.spin import FlipTerms, SpinHamiltonian, ZStrings, ZZMatrix

# Whether a string changes the magnetisation is found by looking at all configurations of the spins that it flips.
MOST_FLIPS = 16


class PauliStrings(SpinHamiltonian):
    """H = Σ_s w_s P_s with real w_s and P_s a string of N letters I, X, Y, Z, site 0 first.

    Strings that flip the same sites share one move, so that they cost one ratio: with Y = iXZ each is
    i^{n_Y} ∏_flips X ∏ Z, and a move has the sum of its products of Z as its amplitude.

    Raises `ValueError` for strings of different lengths or other letters, a weight that is not finite, no string at
    all, or a string that changes the magnetisation where `total_sz` fixes it.
    """

    space: Spins
    diagonal_terms: tuple[ZStrings | ZZMatrix, ...]
    flip_terms: FlipTerms
    constant: Float[np.ndarray, ""]
    defined_in: str = eqx.field(static=True)
    convention: ClassVar[str] = "H = sum of Pauli strings"
    energy_unit: ClassVar[str] = "unit of the weights"

    def __init__(self, strings: Mapping[str, float], total_sz: float | None = None, defined_in: str = ""):
        n_sites = _check(strings)
        self.defined_in = defined_in
        self.space = Spins(n_sites, total_sz)
        self.constant = np.asarray(strings.get("I" * n_sites, 0.0), dtype=np.float64)
        by_mask: dict[tuple[int, ...], dict[tuple[int, ...], complex]] = {}
        for string, weight in strings.items():
            flips = tuple(i for i, letter in enumerate(string) if letter in "XY")
            z = tuple(i for i, letter in enumerate(string) if letter in "YZ")
            by_mask.setdefault(flips, {})[z] = weight * 1j ** string.count("Y")
        diagonal = by_mask.pop((), {})
        orders = sorted({len(sites) for sites in diagonal})
        self.diagonal_terms = tuple(
            _z_strings({sites: weight.real for sites, weight in diagonal.items() if len(sites) == order}, order)
            for order in orders
        )
        self.flip_terms = _flip_terms(by_mask, n_sites)
        if total_sz is not None:
            _check_magnetisation(by_mask, n_sites)

    @property
    def infinite_temperature_energy(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Tr H / 2^N, the weight of the identity."""
        return float(self.constant)

    def reference_energy(self) -> float | None:
        """None: no closed form."""
        return None


def _check(strings: Mapping[str, float]) -> int:
    if not strings:
        raise ValueError("strings: there is none")
    n_sites = len(next(iter(strings)))
    for string, weight in strings.items():
        if len(string) != n_sites or not n_sites:
            raise ValueError(f"strings: {string!r} has {len(string)} letters, and the first one {n_sites}")
        if set(string) - set("IXYZ"):
            raise ValueError(f"strings: {string!r} has letters other than I, X, Y and Z")
        if not np.isfinite(weight):
            raise ValueError(f"strings: the weight of {string!r} is {weight}")
    return n_sites


def _z_strings(products: dict[tuple[int, ...], float], order: int) -> ZStrings:
    return ZStrings(list(products.values()), np.array(list(products), dtype=int).reshape(len(products), order))


def _flip_terms(by_mask: dict[tuple[int, ...], dict[tuple[int, ...], complex]], n_sites: int) -> FlipTerms:
    """Padded to the widest mask, the most strings of a mask and the longest product of Z."""
    width = max((len(mask) for mask in by_mask), default=1)
    most = max((len(products) for products in by_mask.values()), default=1)
    order = max((len(z) for products in by_mask.values() for z in products), default=0)
    flips = np.full((len(by_mask), width), n_sites)
    coefficients = np.zeros((len(by_mask), most), complex)
    sites = np.full((len(by_mask), most, order), n_sites)
    for term, (mask, products) in enumerate(by_mask.items()):
        flips[term, : len(mask)] = mask
        for place, (z, coefficient) in enumerate(products.items()):
            coefficients[term, place] = coefficient
            sites[term, place, : len(z)] = z
    return FlipTerms(flips, coefficients if np.any(np.imag(coefficients)) else np.real(coefficients), sites)


def _check_magnetisation(by_mask: dict[tuple[int, ...], dict[tuple[int, ...], complex]], n_sites: int) -> None:
    """Every move must vanish on configurations whose flipped spins do not add up to zero."""
    for mask, products in by_mask.items():
        if len(mask) > MOST_FLIPS:
            raise ValueError(
                f'total_sz: not checked for strings that flip more than {MOST_FLIPS} sites; use total_sz = "free"'
            )
        outside = {tuple(sorted(set(z) - set(mask))) for z in products}
        spins = np.array(np.meshgrid(*[[-1, 1]] * len(mask), indexing="ij")).reshape(len(mask), -1)
        for rest in outside:
            amplitude = sum(
                coefficient * np.prod(spins[[mask.index(i) for i in z if i in mask]], axis=0)
                for z, coefficient in products.items()
                if tuple(sorted(set(z) - set(mask))) == rest
            )
            if np.any(np.abs(np.where(spins.sum(axis=0) != 0, amplitude, 0)) > 1e-12):
                sites = ", ".join(map(str, mask))
                raise ValueError(f"total_sz: the strings that flip the sites {sites} change the magnetisation")

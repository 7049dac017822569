"""From operators of NetKet and back; NetKet costs seconds to import, and only who calls these pays."""

from collections import defaultdict
from typing import Any, cast

import numpy as np

from hamiltonians.pauli_strings import PauliStrings
from hamiltonians.spin import SpinHamiltonian, ZZMatrix

SMALL = 1e-14


def is_operator(value: Any) -> bool:
    """Whether something is an operator of NetKet."""
    import netket as nk

    return isinstance(value, nk.operator.AbstractOperator)


def from_netket(operator: Any, defined_in: str = "") -> PauliStrings:
    """The Hamiltonian of a NetKet operator on spins 1/2: `PauliStrings`, `LocalOperator`, `Ising`, `Heisenberg` or any
    that converts to a `LocalOperator`. The magnetisation is fixed where its Hilbert space fixes it. `defined_in` is the
    name of the module that it came from.

    Spins are up where Z is 1, whatever the order of the two states in NetKet.

    Raises `ValueError` if it does not act on spins 1/2, is not Hermitian or zero, or if its Hilbert space has another
    constraint than a magnetisation.
    """
    import netket as nk

    hilbert = operator.hilbert
    if not isinstance(hilbert, nk.hilbert.Spin) or hilbert.local_size != 2:
        raise ValueError(f"a {type(operator).__name__} on {hilbert}: only spins 1/2 can be converted")
    constraint = hilbert.constraint
    if constraint is not None and not isinstance(constraint, nk.hilbert.constraint.SumConstraint):
        raise ValueError(f"a Hilbert space with a {type(constraint).__name__}: only a total_sz can be converted")
    if not hasattr(operator, "to_pauli_strings") and not hasattr(operator, "weights"):
        operator = operator.to_local_operator()
    if hasattr(operator, "to_pauli_strings"):
        operator = operator.to_pauli_strings()
    strings = {str(string): complex(w) for string, w in zip(operator.operators, operator.weights, strict=True)}
    largest = max((abs(w) for w in strings.values()), default=0.0)
    if largest == 0:
        raise ValueError("the operator is zero")
    if any(abs(w.imag) > SMALL * largest for w in strings.values()):
        raise ValueError("the operator is not Hermitian: a Pauli string has a complex weight")
    total_sz = None
    if constraint is not None:
        up = cast(Any, hilbert).local_states[0]
        total_sz = up * constraint.sum_value / 2
    return PauliStrings({string: w.real for string, w in strings.items()}, total_sz, defined_in)


def to_netket(hamiltonian: SpinHamiltonian) -> Any:
    """The `netket.operator.PauliStrings` of a Hamiltonian, on the spins of its space."""
    import netket

    nk = cast(Any, netket)  # incomplete annotations
    space = hamiltonian.space
    strings = {string: w for string, w in pauli_strings(hamiltonian).items() if abs(w) > 0}
    total_sz = {} if space.total_sz is None else {"total_sz": space.total_sz}
    hilbert = nk.hilbert.Spin(0.5, space.n_sites, **total_sz)
    return nk.operator.PauliStrings(hilbert, list(strings), np.array(list(strings.values())))


def pauli_strings(hamiltonian: SpinHamiltonian) -> dict[str, float]:
    """The weights of the Pauli strings that a Hamiltonian is the sum of."""
    weights: defaultdict[str, float] = defaultdict(float)
    n_sites = hamiltonian.space.n_sites
    for term in hamiltonian.diagonal_terms:
        for sites, coefficient in _products(term):
            weights[_letters(n_sites, (), sites)[0]] += coefficient
    terms = hamiltonian.flip_terms
    for mask, coefficients, products in zip(
        *map(np.asarray, (terms.flips, terms.coefficients, terms.sites)), strict=True
    ):
        for coefficient, sites in zip(coefficients, products, strict=True):
            string, factor = _letters(n_sites, mask, sites)
            if coefficient:
                weights[string] += (coefficient * factor).real
    return dict(weights)


def _products(term) -> list[tuple[np.ndarray, float]]:
    if isinstance(term, ZZMatrix):
        matrix = np.asarray(term.matrix)
        return [(np.array(pair), float(matrix[tuple(pair)])) for pair in np.argwhere(matrix)]
    return list(zip(np.asarray(term.sites), np.asarray(term.coefficients).tolist(), strict=True))


def _letters(n_sites: int, mask, sites) -> tuple[str, complex]:
    """∏_mask X ∏_sites Z as a string and its factor: XZ = −iY; Z² = 1; the padding is no site."""
    is_flipped, is_z = np.zeros(n_sites + 1, int), np.zeros(n_sites + 1, int)
    np.add.at(is_flipped, np.asarray(mask, dtype=int), 1)
    np.add.at(is_z, np.asarray(sites, dtype=int), 1)
    pairs = [(is_flipped[i], is_z[i] % 2) for i in range(n_sites)]
    names = {(0, 0): "I", (1, 0): "X", (0, 1): "Z", (1, 1): "Y"}
    return "".join(names[pair] for pair in pairs), (-1j) ** pairs.count((1, 1))

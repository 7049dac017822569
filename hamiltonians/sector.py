"""Sectors of the symmetry group of a lattice and of the flip of all spins: elements with their characters."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float, Int

from hamiltonians.lattice import HYPERCUBIC, Graph, Lattice
from hamiltonians.symmetry import point_group, translations

IRREPS = ("A1", "A2", "B1", "B2")
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Sector:
    """Elements g, which turn x into `flips[g] * x[permutations[g]]`, and their characters χ_g."""

    permutations: Int[np.ndarray, "n_elements n_sites"]
    flips: Int[np.ndarray, " n_elements"]
    characters: Complex[np.ndarray, " n_elements"]

    def representatives(self, symmetries: Int[np.ndarray, "n_symmetries n_sites"]) -> list[int]:
        """One of the elements that act alike on a function with f(x[s]) = f(x) for each s of a group of permutations.

        Σ_g χ_g* f(g x) over the sector is a multiple of that over these; those whose characters cancel are left out.
        """
        classes: dict[tuple[bytes, int], list[int]] = {}
        for number, (permutation, flip) in enumerate(zip(self.permutations, self.flips, strict=True)):
            alike = min(image.tobytes() for image in permutation[symmetries])
            classes.setdefault((alike, int(flip)), []).append(number)
        return [numbers[0] for numbers in classes.values() if abs(np.sum(self.characters[numbers])) > TOLERANCE]


def sector(
    lattice: Graph | None,
    n_sites: int,
    momentum: tuple[int, ...] | None = None,
    irrep: str | None = None,
    spin_flip: int | None = None,
) -> Sector:
    """The sector of a momentum 2π k_a / L_a along each axis a, of an irreducible representation of the point group, and
    of the parity ±1 under the flip of all spins; the elements are those of the groups that are given.

    `irrep` is A1 (trivial) of any lattice, or A2 (the sign of a reflection, the determinant) of a chain, a square or a
    hexagonal lattice. B1 is on the square the sign of an exchange of the axes, on the others −1 for odd multiples of
    60° and for the reflections whose mirror holds no shortest translation; B2 is A2 times B1. The translation by t has
    the character exp(2πi Σ_a k_a t_a / L_a). Characters refer to the Hamiltonian as built: a Marshall rotation gives
    the elements that exchange the sublattices another factor (−1)^(N/2).

    Raises `ValueError` for symmetries that the lattice does not have, or a momentum that the point group does not keep.
    """
    elements = np.arange(n_sites)[None, :]
    characters = np.ones(1, complex)
    if momentum is not None or irrep is not None:
        if not isinstance(lattice, Lattice):
            raise ValueError("sector: a momentum and a point group need a lattice")
        if not lattice.periodic:
            raise ValueError("sector: a momentum and a point group need a periodic lattice")
        if momentum is not None:
            elements, characters = translations(lattice), _momentum_characters(lattice, momentum)
        if irrep is not None:
            _check_kept(lattice, momentum)
            group, signs = point_group(lattice), irrep_characters(lattice, irrep)
            elements = np.concatenate([elements[:, element] for element in group])
            characters = np.concatenate([characters * sign for sign in signs])
    flips = np.ones(len(elements), int)
    if spin_flip is not None:
        if spin_flip not in (1, -1):
            raise ValueError(f"sector: spin_flip is 1 or -1, not {spin_flip}")
        elements, flips = np.concatenate([elements, elements]), np.concatenate([flips, -flips])
        characters = np.concatenate([characters, spin_flip * characters])
    return Sector(elements, flips, characters)


def irrep_characters(lattice: Lattice, irrep: str) -> Float[np.ndarray, " n_elements"]:
    """±1 of every element of `point_group`."""
    is_rectangle = len(set(lattice.extent)) > 1
    allowed = {"chain": IRREPS[:2], "cubic": IRREPS[:1]}.get(lattice.kind, IRREPS[:2] if is_rectangle else IRREPS)
    if irrep not in allowed:
        raise ValueError(
            f"sector: a {lattice.kind} lattice has the representations {' or '.join(allowed)}, not {irrep!r}"
        )
    characters = []
    for element in point_group(lattice):
        matrix = _matrix(lattice, element)
        determinant = round(np.linalg.det(matrix))
        keeps = _keeps_axes(matrix) if lattice.kind in HYPERCUBIC else _keeps_hexagonal_axes(matrix)
        b1 = 1 if keeps else -1
        characters.append({"A1": 1, "A2": determinant, "B1": b1, "B2": determinant * b1}[irrep])
    return np.array(characters, dtype=float)


def _keeps_axes(matrix: Int[np.ndarray, "dimension dimension"]) -> bool:
    return bool(matrix[0, 0] != 0)


def _keeps_hexagonal_axes(matrix: Int[np.ndarray, "2 2"]) -> bool:
    """Whether a rotation (trace 2 cos φ) is by a multiple of 120°, or a mirror holds a shortest translation."""
    if np.linalg.det(matrix) > 0:
        return np.trace(matrix) in (2, -1)
    return any(np.array_equal(matrix @ step, step) for step in ((1, 0), (0, 1), (-1, 1)))


def _matrix(lattice: Lattice, element: Int[np.ndarray, " n_sites"]) -> Int[np.ndarray, "dimension dimension"]:
    """What a point-group element does to the unit translations, in columns: where it moves those of site 0."""
    per_cell = lattice.n_sites // int(np.prod(lattice.extent))
    steps = np.eye(len(lattice.extent), dtype=int)
    next_to_origin = np.ravel_multi_index(tuple(steps), lattice.extent) * per_cell
    cells = np.array(np.unravel_index(element[[0, *next_to_origin]] // per_cell, lattice.extent))
    moved = (cells[:, 1:] - cells[:, :1]) % np.array(lattice.extent)[:, None]
    return np.where(moved > 1, -1, moved)


def _check_kept(lattice: Lattice, momentum: tuple[int, ...] | None) -> None:
    if min(lattice.extent) < 3:
        raise ValueError(f"sector: a point group needs lengths of at least 3, not {list(lattice.extent)}")
    if lattice.kind not in HYPERCUBIC and len(set(lattice.extent)) > 1:
        raise ValueError(f"sector: a {lattice.kind} lattice needs equal lengths, not {list(lattice.extent)}")
    k = np.array(momentum or [0] * len(lattice.extent)) / np.array(lattice.extent)
    for element in point_group(lattice):
        change = k @ _matrix(lattice, element) - k
        if np.max(np.abs(change - np.round(change))) > TOLERANCE:
            raise ValueError(f"sector: the point group does not keep the momentum {list(momentum or ())}")


def _momentum_characters(lattice: Lattice, momentum: tuple[int, ...]) -> Complex[np.ndarray, " n_cells"]:
    if len(momentum) != len(lattice.extent):
        raise ValueError(f"sector: a {lattice.kind} lattice needs {len(lattice.extent)} momenta, not {len(momentum)}")
    shifts = np.array(list(np.ndindex(*lattice.extent)))
    return np.exp(2j * np.pi * (shifts / np.array(lattice.extent)) @ np.array(momentum))

"""Whether the terms of a Hamiltonian of spins suit its space, and have a symmetry."""

import numpy as np
from jaxtyping import Float, Inexact, Int, Int8, Shaped

from hamiltonians.sector import Sector
from hamiltonians.space import Spins
from hamiltonians.spin import SpinHamiltonian, ZZMatrix

# Random configurations, more for each site where few spins differ from the others, and at most so many.
N_CONFIGURATIONS, PER_SITE, MOST_CONFIGURATIONS = 16, 8, 1000
# Elements of a group that are looked at, at most; random ones generate the others.
N_ELEMENTS = 16
ROUNDING = 1e-9


def term_error(hamiltonian: SpinHamiltonian) -> str | None:
    """What is wrong with the terms, if anything: an index beyond the sites would be clipped without a word.

    A term on a site that does not exist, a site that a term flips twice, or terms that leave `total_sz`, at random
    configurations.
    """
    n_sites, terms = hamiltonian.space.n_sites, hamiltonian.flip_terms
    for term in hamiltonian.diagonal_terms:
        if isinstance(term, ZZMatrix):
            if term.matrix.shape != (n_sites, n_sites):
                return f"diagonal_terms: a matrix of shape {term.matrix.shape} for {n_sites} sites"
        elif (site := _outside(term.sites, n_sites - 1)) is not None:
            return f"diagonal_terms: there is no site {site}, there are 0 to {n_sites - 1}"
    for sites in (terms.flips, terms.sites):
        if (site := _outside(sites, n_sites)) is not None:
            return f"flip_terms: there is no site {site}, there are 0 to {n_sites - 1}, and {n_sites} for none"
    flips = np.sort(np.asarray(terms.flips), axis=1)
    twice = (flips[:, 1:] == flips[:, :-1]) & (flips[:, 1:] < n_sites)
    if np.any(twice):
        return f"flip_terms: a term flips site {flips[:, 1:][twice][0]} twice"
    return None if hamiltonian.space.n_up is None else _magnetisation_error(hamiltonian)


def has_symmetry(hamiltonian: SpinHamiltonian, sector: Sector) -> bool:
    """Whether H commutes with the elements of a sector.

    With φ(x) = exp(Σ_i a_i x_i) of random a, and φ_g(x) = φ(g x): whether (Hφ)(g x)/φ(g x) = (Hφ_g)(x)/φ_g(x) for some
    elements g at random x.
    """
    random = np.random.default_rng(1)
    exponents = random.normal(scale=0.3, size=hamiltonian.space.n_sites)
    x = _configurations(hamiltonian.space)
    for element in random.permutation(len(sector.flips))[:N_ELEMENTS]:
        permutation, flip = sector.permutations[element], sector.flips[element]
        of_images = np.empty_like(exponents)
        of_images[permutation] = flip * exponents
        one = _local_energies(hamiltonian, exponents, flip * x[:, permutation])
        other = _local_energies(hamiltonian, of_images, x)
        if np.any(np.abs(one - other) > -ROUNDING * hamiltonian.lower_bound()):
            return False
    return True


def _local_energies(
    hamiltonian: SpinHamiltonian, exponents: Float[np.ndarray, " n_sites"], x: Int[np.ndarray, "n n_sites"]
) -> Inexact[np.ndarray, " n"]:
    """(Hφ)(x)/φ(x)."""
    total = np.sum(
        np.conj(_amplitudes(hamiltonian, x))
        * np.exp(-2 * np.sum(_at(exponents * x, np.asarray(hamiltonian.flip_terms.flips), 0), axis=-1)),
        axis=-1,
    )
    for term in hamiltonian.diagonal_terms:
        if isinstance(term, ZZMatrix):
            total += np.sum((x @ np.asarray(term.matrix)) * x, axis=-1)
        else:
            total += np.prod(x[:, np.asarray(term.sites)], axis=-1, dtype=int) @ np.asarray(term.coefficients)
    return total


def _amplitudes(hamiltonian: SpinHamiltonian, x: Int[np.ndarray, "n n_sites"]) -> Inexact[np.ndarray, "n terms"]:
    terms = hamiltonian.flip_terms
    z = np.prod(_at(x, np.asarray(terms.sites), 1), axis=-1, dtype=int)
    return np.sum(np.asarray(terms.coefficients) * z, axis=-1)


def _at(values: Shaped[np.ndarray, "n n_sites"], sites: Int[np.ndarray, "..."], padding: int) -> np.ndarray:
    """The values at sites, and another one for no site."""
    return np.pad(values, ((0, 0), (0, 1)), constant_values=padding)[:, sites]


def _configurations(space: Spins) -> Int8[np.ndarray, "n n_sites"]:
    random, n_sites, n_up = np.random.default_rng(0), space.n_sites, space.n_up
    if n_up is None:
        return random.choice(np.array([-1, 1], np.int8), (N_CONFIGURATIONS, n_sites))
    n_fewer = max(1, min(n_up, n_sites - n_up))
    n = min(max(N_CONFIGURATIONS, PER_SITE * n_sites // n_fewer), MOST_CONFIGURATIONS)
    ordered = np.where(np.arange(n_sites) < n_up, 1, -1).astype(np.int8)
    return random.permuted(np.tile(ordered, (n, 1)), axis=1)


def _outside(sites, last: int) -> int | None:
    sites = np.asarray(sites)
    outside = sites[(sites < 0) | (sites > last)]
    return int(outside.flat[0]) if outside.size else None


def _magnetisation_error(hamiltonian: SpinHamiltonian) -> str | None:
    space, flipped = hamiltonian.space, np.asarray(hamiltonian.flip_terms.flips)
    x = _configurations(space)
    changes = np.sum(_at(x, flipped, 0), axis=-1) != 0
    _, first, mask_of = np.unique(np.sort(flipped, axis=1), axis=0, return_index=True, return_inverse=True)
    of_masks = np.zeros((len(first), len(x)), complex)
    np.add.at(of_masks, mask_of.ravel(), _amplitudes(hamiltonian, x).T)
    acts = np.abs(of_masks.T) > -ROUNDING * hamiltonian.lower_bound()
    leaves = np.any(changes[:, first] & acts, axis=0)
    if not np.any(leaves):
        return None
    sites = ", ".join(map(str, flipped[first[leaves][0]]))
    return f"flip_terms: the term that flips the sites {sites} leaves total_sz = {space.total_sz:g}"

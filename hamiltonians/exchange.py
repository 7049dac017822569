"""What models with an exchange S⁺S⁻ + S⁻S⁺ between pairs of spins 1/2 have in common."""

import numpy as np
from jaxtyping import Float, Int

from hamiltonians.lattice import Graph
from hamiltonians.spin import FlipTerms, ZStrings


def exchange_terms(
    n_sites: int,
    edges: Int[np.ndarray, "n_edges 2"],
    transverse: Float[np.ndarray, " n_edges"],
    longitudinal: Float[np.ndarray, " n_edges"],
    sublattices: Int[np.ndarray, " n_sites"] | None,
) -> tuple[ZStrings, FlipTerms]:
    """Σ_b [J_b (S^x S^x + S^y S^y) + J^z_b S^z S^z] over bonds b = (i, j), J `transverse` and J^z `longitudinal`.

    In Pauli matrices J^z/4 ZZ + J/4 XX (1 − ZZ). With `sublattices` (0 or 1 for each site) the spins of one are turned
    by π about z: J changes its sign on bonds between them. A bond that is there twice counts twice.
    """
    edges, place = np.unique(edges, axis=0, return_inverse=True)
    j_xy, j_z = (np.bincount(place.ravel(), weights, len(edges)) / 4 for weights in (transverse, longitudinal))
    if sublattices is not None:
        j_xy = np.where(sublattices[edges[:, 0]] == sublattices[edges[:, 1]], j_xy, -j_xy)
    nowhere = np.full_like(edges, n_sites)
    sites = np.stack([nowhere, edges], axis=1)
    return ZStrings(j_z, edges), FlipTerms(edges, np.stack([j_xy, -j_xy], axis=-1), sites)


def field_terms(field: Float[np.ndarray, " n_sites"]) -> ZStrings:
    """−Σ_i h_i S^z_i."""
    return ZStrings(-field / 2, np.arange(len(field))[:, None])


def marshall_sublattices(
    graph: Graph, coupling: Float[np.ndarray, " n_edges"], marshall: bool | None
) -> Int[np.ndarray, " n_sites"] | None:
    """The sublattices of a Marshall rotation, or None for none; `marshall` None rotates a bipartite antiferromagnet.

    Raises `ValueError` if a rotation is asked for and the lattice is not bipartite.
    """
    if marshall is False or (marshall is None and not np.all(coupling > 0)):
        return None
    sublattices = graph.sublattices()
    if sublattices is None and marshall:
        raise ValueError("marshall: a Marshall rotation needs a bipartite lattice, and this one is not")
    return sublattices

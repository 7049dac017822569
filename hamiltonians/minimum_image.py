"""The bare interaction 1/r of nearest images, whose Fourier transform over the cell is that of a polyhedron."""

import numpy as np
from jaxtyping import Float

ORDER = 40


def coulomb_transform(q: Float[np.ndarray, "n dim"], cell: Float[np.ndarray, "dim dim"]) -> Float[np.ndarray, " n"]:
    """v(q) = ∫ cos(q·r)/r dr over the points that are nearer to the origin than to any other lattice point.

    The cell is square, hexagonal (its two vectors 60° apart) or cubic. Each facet c + Σ_i u_i e_i, |u_i| ≤ ½,
    is the base of a pyramid r = t(c + Σ_i u_i e_i), 0 ≤ t ≤ 1, on which the integrand is smooth,
    t^{d−2} cos(t q·f)/|f| |det(c, e)| dt du with f = c + Σ_i u_i e_i: Gauss–Legendre quadrature converges to rounding.
    """
    dim = len(cell)
    nodes, weights = np.polynomial.legendre.leggauss(ORDER)
    u, du = nodes / 2, weights / 2
    t, dt = (nodes + 1) / 2, weights / 2
    values = np.zeros(len(q))
    for centre, *edges in _facets(cell):
        grids = np.meshgrid(*[u] * (dim - 1), indexing="ij")
        points = centre + sum(grid[..., None] * edge for grid, edge in zip(grids, edges, strict=True))
        measure = du if dim == 2 else np.outer(du, du)
        measure = measure / np.linalg.norm(points, axis=-1) * abs(np.linalg.det([centre, *edges]))
        phases = points.reshape(-1, dim) @ q.T
        radial = sum(weight * s ** (dim - 2) * np.cos(s * phases) for s, weight in zip(t, dt, strict=True))
        values += 2 * measure.ravel() @ radial
    return values


def _facets(cell: Float[np.ndarray, "dim dim"]) -> list[tuple[np.ndarray, ...]]:
    """The centre and the edges of one of each pair of opposite facets."""
    if np.allclose(cell @ cell.T, np.diag(np.sum(cell**2, axis=1))):
        return [(cell[axis] / 2, *np.delete(cell, axis, axis=0)) for axis in range(len(cell))]
    neighbours = np.array([cell[0], cell[1], cell[1] - cell[0]])
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    return [(vector / 2, vector @ turn / np.sqrt(3)) for vector in neighbours]

"""Order parameters of spins: they tell modes of |ψ|² apart whose energies are the same."""

import numpy as np
from jaxtyping import Array, Float, Int8

from hamiltonians.spin import SpinHamiltonian
from nqs.parallel import Communicator
from nqs.statistics import chains_rhat


def sublattice_signs(hamiltonian: SpinHamiltonian) -> Float[np.ndarray, " n_sites"] | None:
    """+1 and −1 on the sublattices; None where there is no lattice or it is not bipartite."""
    lattice = getattr(hamiltonian, "lattice", None)
    sublattices = None if lattice is None else lattice.sublattices()
    return None if sublattices is None else 1.0 - 2.0 * sublattices


class OrderParameters:
    """The values Σ_i w_i x_i along the chains of a pass, for each of

        w_i = 1, the uniform order, where the magnetisation is free;
        w_i = ±1 on the sublattices, the staggered order, where the lattice is bipartite;
        w_i = y_i, the first sample y of the first chain of all: the overlap, which sees any other order that breaks a
              symmetry, as of stripes, of three sublattices or of a glass (S. F. Edwards and P. W. Anderson, J. Phys. F
              5, 965, 1975).

    All are whole numbers, so that nothing is rounded and nothing depends on the number of ranks.
    """

    def __init__(self, hamiltonian: SpinHamiltonian, communicator: Communicator):
        self._communicator = communicator
        signs = sublattice_signs(hamiltonian)
        space = hamiltonian.space
        fixed = [] if space.total_sz is not None else [np.ones(space.n_sites)]
        self._fixed = fixed if signs is None else [*fixed, signs]
        self._weights: np.ndarray | None = None
        self._values: list[np.ndarray] = []

    def add(self, samples: Int8[Array, "n_local steps n_sites"]) -> None:
        """Add the next samples of the chains of this rank; collective."""
        x = np.asarray(samples)
        if self._weights is None:
            first = self._communicator.broadcast(x[0, 0].astype(np.float64))
            self._weights = np.stack([*self._fixed, first], axis=-1)
        self._values.append(np.stack([chain @ self._weights for chain in x]))

    def rhat(self) -> float:
        """The largest of their R-hats on rank 0, NaN if none is defined; NaN on the other ranks. Collective."""
        series = self._communicator.gather(np.concatenate(self._values, axis=1))
        if series is None:
            return np.nan
        found = [chains_rhat(values) for values in np.moveaxis(series, -1, 0)]
        return max((rhat for rhat in found if not np.isnan(rhat)), default=np.nan)

"""Correlations of spins along z, by displacements where there are translations and else by pairs of sites, and their
structure factors. None of them is connected: ⟨s_i⟩⟨s_j⟩ is not taken off.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8

from hamiltonians.lattice import Lattice
from nqs.blocks import jackknife
from nqs.results import Observable
from nqs.sampler.passes import SamplingPass
from nqs.statistics import MIN_BLOCKS, block_sizes, blocks_per_chain

# Of a matrix over pairs of sites, whose sums then take half a gigabyte a rank.
MAX_SITES = 1024


def correlation(lattice: Lattice, spins: Float[Array, " n_sites"]) -> Float[Array, "..."]:
    """C_ab(R) = Σ_R′ s_{a,R′} s_{b,R′+R}/N_cells of a periodic lattice, for each displacement R of unit cells and each
    two sites a and b of a cell, shaped (a, b, *extent); (*extent) where a cell has one site.
    """
    axes = tuple(range(-len(lattice.extent), 0))
    cells = jnp.moveaxis(spins.reshape(*lattice.extent, lattice.sites_per_cell), -1, 0)
    waves = jnp.fft.fftn(cells, axes=axes)
    pairs = jnp.real(jnp.fft.ifftn(jnp.conj(waves)[:, None] * waves, axes=axes)) / cells[0].size
    return pairs[0, 0] if lattice.sites_per_cell == 1 else pairs


def structure_factor(lattice: Lattice, spins: Float[Array, " n_sites"]) -> Float[Array, "*grid"]:
    """S(k) = |Σ_i e^{ik·r_i} s_i|²/N at k = Σ_a (k_a/L_a) b_a with reciprocal lattice vectors b_a and the sites at r_i.

    k_a runs through the period of S: k_a < L_a where a cell has one site, 2L_a on the kagome and 3L_a on the honeycomb
    lattice. Then Σ_k S(k) is the number of momenta times s². Of an open lattice the momenta are the same.
    """
    grid = jnp.zeros(lattice.grid).at[tuple(lattice.places().T)].set(spins)
    return jnp.abs(jnp.fft.fftn(grid)) ** 2 / len(spins)


class SiteCorrelations:
    """Sums of x_i x_j over all samples of a pass, in blocks of whole chains, 32 of them where there are so many chains,
    or of parts of chains: N × N numbers for each of at most 62 blocks, whatever the numbers of chains and samples.

    They are sums of whole numbers, the same on any number of ranks.
    """

    def __init__(self, sampling: SamplingPass, spin: float):
        n_chains, length, n_sites = sampling.sampler.n_chains, sampling.samples_per_chain, sampling.space.n_sites
        groups = block_sizes(n_chains, min(n_chains, MIN_BLOCKS))
        parts = block_sizes(length, blocks_per_chain(n_chains, length))
        self._communicator, self._spin = sampling.communicator, spin
        self._sizes = np.outer(groups, parts).ravel()
        self._group_of = np.repeat(np.arange(len(groups)), groups)[np.asarray(sampling.chains)]
        self._part_of = np.repeat(np.arange(len(parts)), parts)
        self._n_added = 0
        self._sums = np.zeros((len(groups), len(parts), n_sites, n_sites))

    def add(self, samples: Int8[np.ndarray, "n_local steps n_sites"]) -> None:
        """Add the next samples of the chains of this rank."""
        n_steps, n_sites = samples.shape[1:]
        part_of = self._part_of[self._n_added : self._n_added + n_steps]
        self._n_added += n_steps
        for group in np.unique(self._group_of):
            for part in np.unique(part_of):
                x = samples[self._group_of == group][:, part_of == part].reshape(-1, n_sites).astype(np.float64)
                self._sums[group, part] += x.T @ x

    def observable(self) -> Observable | None:
        """⟨s_i s_j⟩ with s = `spin`·x for any two sites, with its error, on rank 0, None elsewhere; collective."""
        total = self._communicator.sum_on_root(self._sums.ravel())
        if total is None:
            return None
        n_sites = self._sums.shape[-1]
        sums = total.reshape(1, -1, n_sites, n_sites)
        rows = [jackknife(lambda means: means["row"], {"row": sums[:, :, i]}, self._sizes) for i in range(n_sites)]
        mean, error = (self._spin**2 * np.stack(values) for values in zip(*rows, strict=True))
        text = "<sigma^z_i sigma^z_j> (Pauli matrices)" if self._spin == 1 else "<S^z_i S^z_j> (spin-1/2 operators)"
        sites = np.arange(float(n_sites))
        return Observable(mean, error, "1", text, {"site": sites, "other_site": sites})

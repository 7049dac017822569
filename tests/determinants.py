"""Independent samples of determinants of plane waves, drawn without Markov chains."""

import numpy as np

from hamiltonians.periodic import PeriodicHamiltonian
from hamiltonians.plane_waves import wave_vectors


def orbitals(hamiltonian: PeriodicHamiltonian, spin: int, x: np.ndarray) -> np.ndarray:
    """exp(ik·x) of every occupied k of one spin, shaped (..., n)."""
    return np.exp(1j * x @ wave_vectors(hamiltonian.momenta()[spin], hamiltonian.cell, hamiltonian.twist).T)


def sample_determinants(hamiltonian: PeriodicHamiltonian, n_samples: int, seed: int) -> np.ndarray:
    """Configurations of |D↑ D↓|², shaped (n_samples, n_particles, dim).

    The particles come one after another, each with the density of the orbitals that is orthogonal to those of the
    particles before it, by rejection from the uniform density (J. B. Hough et al., Probab. Surv. 3, 206, 2006).
    """
    random = np.random.default_rng(seed)
    spins = []
    for spin, numbers in enumerate(hamiltonian.momenta()):
        n = len(numbers)
        basis = np.zeros((n_samples, n, n), dtype=complex)
        x = np.zeros((n_samples, n, hamiltonian.space.dim))
        for i in range(n):
            waiting = np.arange(n_samples)
            while len(waiting):
                trial = random.uniform(size=(len(waiting), hamiltonian.space.dim)) @ hamiltonian.cell
                wave = orbitals(hamiltonian, spin, trial)
                inside = np.einsum("sjk,sk->sj", basis[waiting].conj(), wave)
                rest = wave - np.einsum("sj,sjk->sk", inside, basis[waiting])
                density = np.sum(np.abs(rest) ** 2, axis=-1)
                taken = random.uniform(size=len(waiting)) * n < density
                x[waiting[taken], i] = trial[taken]
                basis[waiting[taken], i] = rest[taken] / np.sqrt(density[taken])[:, None]
                waiting = waiting[~taken]
        spins.append(x)
    return np.concatenate(spins, axis=1)

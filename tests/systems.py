"""Small systems that the tests share: every Hamiltonian and every wave function on six sites."""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import numpy as np
from scipy.stats import chi2

from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from hamiltonians.sector import sector
from hamiltonians.sherrington_kirkpatrick import SherringtonKirkpatrick, gaussian_couplings
from hamiltonians.space import Spins
from hamiltonians.spin import FlipTerms, SpinHamiltonian, ZStrings
from hamiltonians.symmetry import symmetry_group
from nqs.ansatz.autoregressive import Couplings
from nqs.ansatz.base import Ansatz
from nqs.ansatz.convolutional import Convolutional
from nqs.ansatz.feed_forward import FeedForward
from nqs.ansatz.flax import FlaxAnsatz
from nqs.ansatz.jastrow import Jastrow
from nqs.ansatz.masked_dense import MaskedDense
from nqs.ansatz.pair_product import PairProduct
from nqs.ansatz.product import Phase, Product
from nqs.ansatz.projected import Projected
from nqs.ansatz.rbm import RBM
from nqs.ansatz.recurrent import Recurrent
from nqs.ansatz.symmetric_rbm import SymmetricRBM
from nqs.ansatz.vision_transformer import VisionTransformer
from nqs.local_energy import local_energies

N_SITES = 6
RING = Lattice("chain", (N_SITES,))
COUPLINGS = Couplings(gaussian_couplings(N_SITES, 3))


class DzyaloshinskiiMoriya(SpinHamiltonian):
    """H = Σ_⟨ij⟩ (X_i Y_j − Y_i X_j): Y = iXZ makes the amplitudes imaginary."""

    space: Spins
    diagonal_terms: tuple[ZStrings, ...]
    flip_terms: FlipTerms
    convention: ClassVar[str] = "H = sum XY - YX"
    energy_unit: ClassVar[str] = "1"

    def __init__(self, lattice: Lattice):
        edges = lattice.edges()
        self.space = Spins(lattice.n_sites)
        self.diagonal_terms = ()
        self.flip_terms = FlipTerms(edges, np.tile([-1j, 1j], (len(edges), 1)), edges[:, :, None])

    def reference_energy(self) -> float | None:
        return None


HAMILTONIANS: dict[str, SpinHamiltonian] = {
    "ising_ring": TransverseIsing(RING, 1.1, 0.7, 0.3),
    "ising_square": TransverseIsing(Lattice("square", (3, 2)), -0.8, 1.3),
    "ising_cubic": TransverseIsing(Lattice("cubic", (3, 2, 1)), 0.9, 1.2, -0.2),
    "heisenberg": Heisenberg(RING, marshall=False),
    "heisenberg_marshall": Heisenberg(RING, 1.2, marshall=True),
    "sherrington_kirkpatrick": SherringtonKirkpatrick(gaussian_couplings(N_SITES, 3), 0.6),
}


def rbm(dtype: str = "float64", visible_bias: bool = False, stddev: float = 0.3, n_sites: int = N_SITES, seed: int = 0):
    """A restricted Boltzmann machine with as many hidden units as sites."""
    return RBM(n_sites, key=jax.random.key(seed), visible_bias=visible_bias, dtype=dtype, stddev=stddev)


def feed_forward(activation: str, phase: bool = False, widths: tuple[int, ...] = (7, 5), n_sites: int = N_SITES):
    return FeedForward(n_sites, widths, key=jax.random.key(1), activation=activation, phase=phase)


def netket_rbm(dtype: type) -> FlaxAnsatz:
    """NetKet's machine, whose parameters are drawn like those of `rbm`."""
    import flax
    import netket as nk

    init = flax.linen.initializers.normal(0.3)
    model = nk.models.RBM(alpha=1, param_dtype=dtype, kernel_init=init, hidden_bias_init=init, visible_bias_init=init)
    return FlaxAnsatz(model, N_SITES, key=jax.random.key(2))


def masked_dense(total_sz: float | None = None, phase: bool = False) -> MaskedDense:
    return MaskedDense(Spins(N_SITES, total_sz), (7, 5), key=jax.random.key(6), phase=phase)


def pair_product(n_sites: int = N_SITES) -> PairProduct:
    """Any two sites have an amplitude of their own."""
    start = np.zeros((n_sites, n_sites))
    return PairProduct(np.arange(n_sites)[None], start, key=jax.random.key(0), stddev=1.0)


ANSATZE: dict[str, Callable[[], Ansatz]] = {
    "rbm": rbm,
    "rbm_visible": lambda: rbm(visible_bias=True),
    "rbm_complex_visible": lambda: rbm("complex128", visible_bias=True),
    "rbm_phase": lambda: Product((rbm(visible_bias=True), Phase(rbm(visible_bias=True, seed=1)))),
    "rbm_symmetric": lambda: SymmetricRBM(
        symmetry_group(RING, "translation"), 2, key=jax.random.key(3), visible_bias=True, stddev=0.3
    ),
    "rbm_projected": lambda: Projected(rbm("complex128"), sector(RING, N_SITES, (0,), None, 1)),
    "cnn": lambda: Convolutional((N_SITES,), 3, 1, key=jax.random.key(5)),
    "cnn_phase": lambda: Convolutional((3, 2), 2, 1, 1, key=jax.random.key(5), phase=True),
    "vit": lambda: VisionTransformer((N_SITES,), 1, 4, 2, 2, key=jax.random.key(6)),
    "jastrow_visible": lambda: Jastrow(N_SITES, key=jax.random.key(4), visible_bias=True, stddev=0.3),
    "jastrow_rbm_complex": lambda: Product((rbm("complex128"), Jastrow(N_SITES, key=jax.random.key(4), stddev=0.3))),
    "jastrow_projected": lambda: Projected(ANSATZE["jastrow_visible"](), sector(RING, N_SITES, (0,))),
    "ffn_log_cosh": lambda: feed_forward("log_cosh"),
    "ffn_tanh_phase": lambda: feed_forward("tanh", phase=True),
    "ffn_gelu_phase": lambda: feed_forward("gelu", phase=True),
    "ffn_silu": lambda: feed_forward("silu"),
    "ffn_relu_phase": lambda: feed_forward("relu", phase=True),
    "masked_dense": lambda: masked_dense(),
    "masked_dense_phase_fields": lambda: MaskedDense(
        Spins(N_SITES), (6,), key=jax.random.key(6), activation="tanh", phase=True, couplings=COUPLINGS
    ),
    "recurrent_phase_fields": lambda: Recurrent(
        Spins(N_SITES), (3, 2), key=jax.random.key(6), phase=True, couplings=COUPLINGS
    ),
    "masked_dense_jastrow": lambda: Product((masked_dense(), Jastrow(N_SITES, key=jax.random.key(4), stddev=0.3))),
    "masked_dense_projected": lambda: Projected(masked_dense(phase=True), sector(RING, N_SITES, (0,), "A1", 1)),
    "flax": lambda: netket_rbm(float),
    "flax_complex": lambda: netket_rbm(complex),
}

# Those that are zero at any other magnetisation.
SINGLETS: dict[str, Callable[[], Ansatz]] = {
    "pair_product": lambda: pair_product(),
    "pair_product_rbm": lambda: Product((rbm(), pair_product())),
    "pair_product_rbm_complex": lambda: Product((rbm("complex128"), pair_product())),
    "pair_product_projected": lambda: Projected(pair_product(), sector(RING, N_SITES, (3,), None, -1)),
}


# Others of that kind, which are no singlets.
BALANCED: dict[str, Callable[[], Ansatz]] = {
    "masked_dense_jastrow": lambda: Product((masked_dense(0.0), Jastrow(N_SITES, key=jax.random.key(4), stddev=0.3))),
    "masked_dense_projected": lambda: Projected(masked_dense(0.0, phase=True), sector(RING, N_SITES, (3,), None, -1)),
    "masked_dense_pair_product": lambda: Product((masked_dense(0.0), pair_product())),
    "recurrent_projected": lambda: Projected(
        Recurrent(Spins(N_SITES, 0.0), (3,), key=jax.random.key(6)), sector(RING, N_SITES, (0,))
    ),
}


@eqx.filter_jit
def log_psi(ansatz: Ansatz, states) -> jax.Array:
    """log ψ of every configuration."""
    return jax.vmap(ansatz)(states)


@eqx.filter_jit
def all_local_energies(hamiltonian: SpinHamiltonian, ansatz: Ansatz, states, chunk_size: int) -> jax.Array:
    return local_energies(hamiltonian, ansatz, states, chunk_size)


def wave_function(ansatz: Ansatz, states: np.ndarray) -> np.ndarray:
    """The normalised ψ on these configurations."""
    values = np.asarray(log_psi(ansatz, states))
    psi = np.exp(values - values.real.max())
    return psi / np.linalg.norm(psi)


def chi_square_p(samples: np.ndarray, states: np.ndarray, probabilities: np.ndarray) -> float:
    """The p-value of independent samples, shaped (batches, n, n_sites), against a distribution; Σ χ² over batches.

    States that are expected fewer than ten times in a batch count as one.
    """
    place = {state.tobytes(): i for i, state in enumerate(states)}
    expected = probabilities * samples.shape[1]
    rare = expected < 10
    total = 0.0
    for batch in np.asarray(samples, dtype=np.int8):
        counts = np.bincount([place[x.tobytes()] for x in batch], minlength=len(states))
        terms = (counts[~rare] - expected[~rare]) ** 2 / expected[~rare]
        total += terms.sum()
        if rare.any():
            total += (counts[rare].sum() - expected[rare].sum()) ** 2 / expected[rare].sum()
    bins = np.sum(~rare) + rare.any()
    return float(chi2.sf(total, len(samples) * (bins - 1)))

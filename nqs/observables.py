"""Observables of spins that are averages over |ψ|², and functions of such averages."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8, Num

from hamiltonians.lattice import Lattice
from hamiltonians.space import Flip
from hamiltonians.spin import SpinHamiltonian
from nqs.ansatz.base import Ansatz
from nqs.blocks import Means, Number, Sums, jackknife
from nqs.results import Observable

ONE_SITE_A_CELL = ("chain", "square", "cubic", "triangular")
LocalValues = Callable[[Ansatz, Array], dict[str, Array]]
UNIFORM, STAGGERED = "magnetisation", "staggered_magnetisation"


class LocalObservables(eqx.Module):
    """The values at one configuration of all observables that are averages over |ψ|².

    With s = `spin`·x, the spins at this configuration:

        magnetisation m = Σ s_i/N, |m|, m² and m⁴; the same of the staggered m = Σ ±s_i/N; s_i at each site;
        Σ_i s_i s_{i+r}/N for each displacement r, and its Fourier transform |Σ_i e^{ik·r_i} s_i|²/N;
        Re Σ_i `spin`·ψ(x^i)/ψ(x)/N for Σ_i S^x_i/N, where x^i is x with spin i reversed.

    What a fixed magnetisation makes a constant is left out, as is the staggered magnetisation where the lattice is not
    bipartite, and the correlations where it is not periodic with one site a cell. `is_staggered` says which of the two
    orders the Hamiltonian favours: whether the Néel state lies below the ferromagnetic one, or the magnetisation is
    fixed.
    """

    spin: float = eqx.field(static=True)
    is_free: bool = eqx.field(static=True)
    is_staggered: bool = eqx.field(static=True)
    extent: tuple[int, ...] | None = eqx.field(static=True)
    signs: Float[Array, " n_sites"] | None
    turned: Float[Array, " n_sites"]

    def __init__(self, hamiltonian: SpinHamiltonian):
        space, lattice = hamiltonian.space, getattr(hamiltonian, "lattice", None)
        sublattices = None if lattice is None else lattice.sublattices()
        self.spin, self.is_free = hamiltonian.spin, space.total_sz is None
        self.signs = None if sublattices is None else jnp.asarray(1.0 - 2.0 * sublattices)
        is_turned = getattr(hamiltonian, "marshall", False)
        self.turned = jnp.ones(space.n_sites) if self.signs is None or not is_turned else self.signs
        self.extent = None
        if isinstance(lattice, Lattice) and lattice.periodic and lattice.kind in ONE_SITE_A_CELL:
            self.extent = lattice.extent
        self.is_staggered = False
        if self.signs is not None:
            self.is_staggered = not self.is_free or _is_antiferromagnet(hamiltonian, self.signs)

    def __call__(self, ansatz: Ansatz, x: Int8[Array, " n_sites"]) -> dict[str, Float[Array, "..."]]:
        spins = self.spin * x.astype(float)
        values = {"local_magnetisation": spins}
        if self.is_free:
            values |= _moments(UNIFORM, jnp.mean(spins))
            values["transverse_magnetisation"] = self.spin * self._flipped(ansatz, x)
        if self.signs is not None:
            values |= _moments(STAGGERED, jnp.mean(self.signs * spins))
        if self.extent is not None:
            power = jnp.abs(jnp.fft.fftn(spins.reshape(self.extent))) ** 2 / len(x)
            values |= {"structure_factor": power, "correlation": jnp.real(jnp.fft.ifftn(power))}
        return values

    def _flipped(self, ansatz: Ansatz, x: Int8[Array, " n_sites"]) -> Float[Array, ""]:
        """Re Σ_i ± ψ(x^i)/ψ(x)/N; a Marshall rotation turns S^x on one sublattice into −S^x."""
        cache = ansatz.start(x)
        log_ratios = jax.vmap(lambda site: ansatz.log_ratio(cache, x, Flip(site[None])))(jnp.arange(len(x)))
        return jnp.mean(self.turned * jnp.real(jnp.exp(log_ratios)))


@eqx.filter_jit
def local_observables(
    local: LocalValues, ansatz: Ansatz, x: Num[Array, "n_chains steps *configuration"], chunk_size: int
) -> dict[str, Float[Array, "n_chains steps ..."]]:
    """The values at every configuration, `chunk_size` at a time, which bounds the memory."""
    flat = x.reshape(-1, *x.shape[2:])
    size = min(chunk_size, len(flat))
    values = ansatz.accelerated(lambda fast: jax.lax.map(lambda y: local(fast, y), flat, batch_size=size))
    return jax.tree.map(lambda array: array.reshape(*x.shape[:2], *array.shape[1:]).astype(float), values)


def estimates(local: LocalObservables, sums: Sums, sizes: np.ndarray) -> dict[str, Observable]:
    """The observables from sums over blocks of these sizes: the averages, and the Binder cumulant.

    U = 1 − ⟨m⁴⟩/(3⟨m²⟩²) (K. Binder, Z. Phys. B 43, 119, 1981) is that of the order that the Hamiltonian favours.
    """
    found = {}
    for name in sums:
        mean, error = jackknife(lambda means, name=name: means[name], sums, sizes)
        found[name] = Observable(mean[()], error[()], "1", _long_name(name, local.spin), _axes(local, name, mean.shape))
    order = STAGGERED if local.is_staggered else UNIFORM
    if f"{order}_squared" in sums:

        def binder(means: Means) -> Number:
            return 1 - means[f"{order}_fourth"] / (3 * means[f"{order}_squared"] ** 2)

        mean, error = jackknife(binder, sums, sizes)
        text = f"Binder cumulant 1 - <m^4>/(3 <m^2>^2) of the {order.replace('_', ' ')}"
        found["binder_cumulant"] = Observable(mean[()], error[()], "1", text)
    return found


def _is_antiferromagnet(hamiltonian: SpinHamiltonian, signs: Float[Array, " n_sites"]) -> bool:
    """Whether the Néel state lies below the ferromagnetic one, each averaged with its inverse: no field counts."""
    neel, uniform = signs.astype(jnp.int8), jnp.ones_like(signs, jnp.int8)
    energies = [hamiltonian.diagonal(x) + hamiltonian.diagonal(-x) for x in (neel, uniform)]
    return bool(energies[0] < energies[1])


def _moments(name: str, m: Float[Array, ""]) -> dict[str, Float[Array, ""]]:
    return {name: m, f"{name}_abs": jnp.abs(m), f"{name}_squared": m**2, f"{name}_fourth": m**4}


def _long_name(name: str, spin: float) -> str:
    """The formula, and the operators in it."""
    z, x = ("sigma^z", "sigma^x") if spin == 1 else ("S^z", "S^x")
    m, staggered = f"sum_i {z}_i/N", f"sum_i +-{z}_i/N, + and - on the sublattices"
    formulas = {
        "local_magnetisation": f"<{z}_i> at each site",
        "transverse_magnetisation": f"<sum_i {x}_i/N>",
        "correlation": f"<{z}_i {z}_(i+r)>, averaged over all sites i",
        "structure_factor": f"S(k) = sum_ij exp(ik(r_i - r_j)) <{z}_i {z}_j>/N",
        UNIFORM: f"<m>, m = {m}",
        STAGGERED: f"<m>, m = {staggered}",
    }
    for suffix, moment in {"abs": "<|m|>", "squared": "<m^2>", "fourth": "<m^4>"}.items():
        formulas |= {f"{UNIFORM}_{suffix}": f"{moment}, m = {m}", f"{STAGGERED}_{suffix}": f"{moment}, m = {staggered}"}
    return f"{formulas[name]} ({'Pauli matrices' if spin == 1 else 'spin-1/2 operators'})"


def _axes(local: LocalObservables, name: str, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    letters = {"correlation": "d", "structure_factor": "k"}
    if name in letters:
        return {letters[name] + axis: np.arange(float(n)) for axis, n in zip("xyz", shape, strict=False)}
    return {"site": np.arange(float(shape[0]))} if shape else {}

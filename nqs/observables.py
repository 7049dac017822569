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
from nqs.correlations import correlation, structure_factor
from nqs.order import sublattice_signs
from nqs.results import Observable

LocalValues = Callable[[Ansatz, Array], dict[str, Array]]
UNIFORM, STAGGERED = "magnetisation", "staggered_magnetisation"


class LocalObservables(eqx.Module):
    """The values at one configuration of all observables that are averages over |ψ|².

    With s = `spin`·x, the spins at this configuration:

        magnetisation m = Σ s_i/N, |m|, m² and m⁴; the same of the staggered m = Σ ±s_i/N; s_i at each site;
        `nqs.correlations.correlation` of a periodic lattice and `structure_factor` of any lattice;
        Re Σ_i `spin`·ψ(x^i)/ψ(x)/N for Σ_i S^x_i/N, where x^i is x with spin i reversed.

    What a fixed magnetisation makes a constant is left out, as is the staggered magnetisation where the lattice is not
    bipartite. `lattice` is None where the sites have no places; `is_periodic` says whether there are translations to
    average correlations over. `is_staggered` says which of the two
    orders the Hamiltonian favours: whether the Néel state lies below the ferromagnetic one, or the magnetisation is
    fixed.
    """

    spin: float = eqx.field(static=True)
    is_free: bool = eqx.field(static=True)
    is_staggered: bool = eqx.field(static=True)
    lattice: Lattice | None = eqx.field(static=True)
    signs: Float[Array, " n_sites"] | None
    turned: Float[Array, " n_sites"]

    def __init__(self, hamiltonian: SpinHamiltonian):
        space, lattice = hamiltonian.space, getattr(hamiltonian, "lattice", None)
        signs = sublattice_signs(hamiltonian)
        self.spin, self.is_free = hamiltonian.spin, space.total_sz is None
        self.signs = None if signs is None else jnp.asarray(signs)
        self.lattice = lattice if isinstance(lattice, Lattice) else None
        is_turned = getattr(hamiltonian, "marshall", False)
        self.turned = jnp.ones(space.n_sites) if self.signs is None or not is_turned else self.signs
        self.is_staggered = False
        if self.signs is not None:
            self.is_staggered = not self.is_free or _is_antiferromagnet(hamiltonian, self.signs)

    @property
    def is_periodic(self) -> bool:
        """Whether there are translations."""
        return self.lattice is not None and self.lattice.periodic

    def __call__(self, ansatz: Ansatz, x: Int8[Array, " n_sites"]) -> dict[str, Float[Array, "..."]]:
        spins = self.spin * x.astype(float)
        values = {"local_magnetisation": spins}
        if self.is_free:
            values |= _moments(UNIFORM, jnp.mean(spins))
            values["transverse_magnetisation"] = self.spin * self._flipped(ansatz, x)
        if self.signs is not None:
            values |= _moments(STAGGERED, jnp.mean(self.signs * spins))
        if self.lattice is not None:
            values["structure_factor"] = structure_factor(self.lattice, spins)
            if self.is_periodic:
                values["correlation"] = correlation(self.lattice, spins)
        return values

    def _flipped(self, ansatz: Ansatz, x: Int8[Array, " n_sites"]) -> Float[Array, ""]:
        """Re Σ_i ± ψ(x^i)/ψ(x)/N; a Marshall rotation turns S^x on one sublattice into −S^x."""
        log_ratios = ansatz.log_ratios(ansatz.start(x), x, Flip(jnp.arange(len(x))[:, None]))
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
        mean, error = jackknife(lambda means, name=name: means[name], {name: sums[name]}, sizes)
        found[name] = Observable(mean[()], error[()], "1", _long_name(local, name), _axes(local, name, mean.shape))
    order = STAGGERED if local.is_staggered else UNIFORM
    if f"{order}_squared" in sums:

        def binder(means: Means) -> Number:
            return 1 - means[f"{order}_fourth"] / (3 * means[f"{order}_squared"] ** 2)

        moments = {f"{order}_{moment}": sums[f"{order}_{moment}"] for moment in ("squared", "fourth")}
        mean, error = jackknife(binder, moments, sizes)
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


def _long_name(local: LocalObservables, name: str) -> str:
    """The formula, and the operators in it."""
    z, x = ("sigma^z", "sigma^x") if local.spin == 1 else ("S^z", "S^x")
    m, staggered = f"sum_i {z}_i/N", f"sum_i +-{z}_i/N, + and - on the sublattices"
    formulas = {
        "local_magnetisation": f"<{z}_i> at each site",
        "transverse_magnetisation": f"<sum_i {x}_i/N>",
        "correlation": f"<{z}_i {z}_(i+r)>, averaged over all sites i",
        "structure_factor": f"S(k) = sum_ij exp(ik(r_i - r_j)) <{z}_i {z}_j>/N",
        UNIFORM: f"<m>, m = {m}",
        STAGGERED: f"<m>, m = {staggered}",
    }
    if local.lattice is not None and local.lattice.sites_per_cell > 1:
        formulas["correlation"] = f"<{z}_(a,R') {z}_(b,R'+R)>, averaged over all cells R'; a and b are sites of a cell"
    for suffix, moment in {"abs": "<|m|>", "squared": "<m^2>", "fourth": "<m^4>"}.items():
        formulas |= {f"{UNIFORM}_{suffix}": f"{moment}, m = {m}", f"{STAGGERED}_{suffix}": f"{moment}, m = {staggered}"}
    return f"{formulas[name]} ({'Pauli matrices' if local.spin == 1 else 'spin-1/2 operators'})"


def _axes(local: LocalObservables, name: str, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    names = ("site",)
    if name == "structure_factor":
        names = ("kx", "ky", "kz")
    if name == "correlation" and local.lattice is not None:
        of_cell = ("sublattice_a", "sublattice_b") if local.lattice.sites_per_cell > 1 else ()
        names = (*of_cell, "dx", "dy", "dz")
    return {axis: np.arange(float(n)) for axis, n in zip(names, shape, strict=False)}

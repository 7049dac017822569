"""Normalised products of conditional wave functions, which can be sampled directly."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int, Int8, Key, PyTree

from hamiltonians.space import Spins
from nqs.ansatz.base import Ansatz

SiteBySite = Callable[[PyTree, Int[Array, ""], Int8[Array, " n_sites"]], tuple[PyTree, Float[Array, " outputs"]]]


class Autoregressive(Ansatz):
    """ψ(x) = ∏_i ψ_i(x_i | x_<i) with Σ_x |ψ(x)|² = 1 over the configurations of `space`.

    A network computes from the sites before i the log-odds ℓ_i of an up spin and, for a complex ψ, an angle u_i:
    log ψ(x) = Σ_i ½ log σ(x_i ℓ_i) + i Σ_i x_i u_i with σ(ℓ) = 1/(1 + exp(−ℓ)). One angle a site is enough: a phase
    that does not depend on x_i belongs to an earlier site. Where total_sz is fixed, a spin that those before it leave
    no choice has probability one, and log ψ = −∞ outside the space (M. Hibat-Allah et al., Phys. Rev. Research 2,
    023358, 2020).

    Shape of the outputs: `(n_sites, 1)`, or `(n_sites, 2)` with the angle.
    """

    space: eqx.AbstractVar[Spins]

    @abc.abstractmethod
    def site_by_site(self) -> tuple[PyTree, SiteBySite]:
        """The state of the network before the first site, and the function (state, i, x) ↦ (state, outputs of site i).

        The function is called for i = 0, 1, … in turn and must not depend on x_i and the sites after it.
        """

    def outputs(self, x: Int8[Array, " n_sites"]) -> Float[Array, "n_sites outputs"]:
        """ℓ_i, and u_i where there is a phase, of every site; row i depends on x_<i only."""
        state, advance = self.site_by_site()
        return jax.lax.scan(lambda s, site: advance(s, site, x), state, jnp.arange(len(x)))[1]

    def has_one_magnetisation(self) -> bool:
        return self.space.n_up is not None

    def __call__(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        return self.log_product(self.outputs(x), x)

    def sample(self, key: Key[Array, ""]) -> Int8[Array, " n_sites"]:
        """A configuration with probability |ψ(x)|², one site after the other."""
        n_sites = self.space.n_sites
        start, advance = self.site_by_site()

        def one_site(carry, inputs):
            state, x = carry
            site, uniform = inputs
            state, outputs = advance(state, site, x)
            log_up, _ = self._log_probabilities(outputs[0], jnp.sum(x > 0), jnp.sum(x < 0))
            spin = jnp.where(uniform < jnp.exp(log_up), 1, -1).astype(jnp.int8)
            return (state, x.at[site].set(spin)), None

        inputs = (jnp.arange(n_sites), jax.random.uniform(key, (n_sites,)))
        return jax.lax.scan(one_site, (start, jnp.zeros(n_sites, jnp.int8)), inputs)[0][1]

    def log_product(self, outputs: Float[Array, "n_sites outputs"], x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        """log ψ(x) from the outputs of the network."""
        n_up = jnp.cumsum(x > 0) - (x > 0)
        log_up, log_down = self._log_probabilities(outputs[:, 0], n_up, jnp.arange(len(x)) - n_up)
        log_modulus = jnp.sum(jnp.where(x > 0, log_up, log_down)) / 2
        if outputs.shape[1] == 1:
            return log_modulus
        return jax.lax.complex(log_modulus, x.astype(outputs.dtype) @ outputs[:, 1])

    def _log_probabilities(
        self, log_odds: Float[Array, "*sites"], n_up: Int[Array, "*sites"], n_down: Int[Array, "*sites"]
    ) -> tuple[Float[Array, "*sites"], Float[Array, "*sites"]]:
        """log p of an up and of a down spin after `n_up` up and `n_down` down spins."""
        log_up, log_down = jax.nn.log_sigmoid(log_odds), jax.nn.log_sigmoid(-log_odds)
        if self.space.n_up is None:
            return log_up, log_down
        no_up, no_down = n_up >= self.space.n_up, n_down >= self.space.n_sites - self.space.n_up
        return (
            jnp.where(no_up, -jnp.inf, jnp.where(no_down, 0, log_up)),
            jnp.where(no_down, -jnp.inf, jnp.where(no_up, 0, log_down)),
        )


class Couplings(eqx.Module):
    """J_ij between all pairs of sites as constants of a network, which are not among its parameters.

    They give each site the field of the sites before it, h_i = Σ_{j<i} J_ij x_j: at Γ = 0 and temperature 1/β the
    log-odds of the Boltzmann distribution are 2β h_i plus what later sites add (I. Biazzo, Commun. Phys. 6, 296, 2023).

    Raises `ValueError` for a matrix that is not square.
    """

    n_sites: int = eqx.field(static=True)
    values: bytes = eqx.field(static=True, repr=False)

    def __init__(self, couplings: Float[np.ndarray, "rows columns"]):
        """`couplings` is the upper triangle J_ij, i < j, or symmetric."""
        if couplings.shape[0] != couplings.shape[1]:
            raise ValueError(f"couplings between all pairs are a square matrix, not of shape {couplings.shape}")
        self.n_sites = len(couplings)
        self.values = np.triu(couplings, 1).T.astype(np.float64).tobytes()

    def before(self) -> Float[np.ndarray, "n_sites n_sites"]:
        """J_ij for j < i, else 0, so that h = `before() @ x`."""
        return np.frombuffer(self.values).reshape(self.n_sites, self.n_sites)


def spin_before(x: Int8[Array, " n_sites"], site: Int[Array, ""]) -> Int8[Array, ""]:
    """x_{i−1}, and 0 before the first site."""
    return jnp.where(site > 0, x[site - 1], 0).astype(jnp.int8)

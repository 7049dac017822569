"""The energy gradient from sums over samples.

With real parameters θ_k and log-derivatives O_k = ∂ log ψ/∂θ_k the gradient is
2 Re⟨(E_L − ⟨E_L⟩)* O_k⟩ = 2 Σ_c (⟨e_c O_kc⟩ − ⟨e_c⟩⟨O_kc⟩), where c runs over the components of complex numbers (the
real part and, for a complex ψ, the imaginary one) and e = E_L − shift with any shift.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Num

from nqs.parameters import RealView, log_psi_components


def gradient_sums(
    view: RealView,
    theta: Float[Array, " n_parameters"],
    x: Num[Array, "n *configuration"],
    energies: Float[Array, "n components"],
    chunk_size: int,
) -> Float[Array, "one_plus_components n_parameters"]:
    """Σ_x Σ_c e_c(x) O_kc(x), then Σ_x O_kc(x) for each component c; nothing of size n × n_parameters is stored."""
    components = energies.shape[1]

    def chunk_sums(x, energies):
        def log_psi(theta):
            ansatz = view.build(theta)
            return jax.vmap(lambda y: log_psi_components(ansatz, y))(x)

        ones = jnp.broadcast_to(jnp.eye(components)[:, None, :], (components, *energies.shape))
        weights = jnp.concatenate([energies[None], ones])
        return jax.vmap(lambda w: jax.vjp(log_psi, theta)[1](w)[0])(weights)

    return sum_chunks(chunk_sums, (x, energies), chunk_size)


def gradient_from_sums(
    sums: Float[np.ndarray, "one_plus_components n_parameters"],
    energy: Float[np.ndarray, " components"],
    n_samples: int,
) -> Float[np.ndarray, " n_parameters"]:
    """The gradient from the sums over all ranks and ⟨e_c⟩."""
    means = sums / n_samples
    return 2 * (means[0] - energy @ means[1:])


def log_derivatives(
    view: RealView, theta: Float[Array, " n_parameters"], x: Num[Array, "n *configuration"]
) -> Float[Array, "n components n_parameters"]:
    """O_kc(x) of every configuration."""
    jacobian = jax.jacrev(lambda t, y: log_psi_components(view.build(t), y))
    return jax.vmap(jacobian, in_axes=(None, 0))(theta, x)


def energy_components(energies: Inexact[Array, " n"], components: int) -> Float[Array, "n components"]:
    """E_L as real numbers: its real part and, for a complex ψ, its imaginary part."""
    parts = [jnp.real(energies), jnp.imag(energies)][:components]
    return jnp.stack(parts, axis=-1).astype(float)


def sum_chunks(f: Callable[..., Any], arrays: tuple[Array, ...], chunk_size: int) -> Any:
    """Σ f(*chunk) over chunks of the leading axis; the last one may be shorter."""
    n = len(arrays[0])
    full = n // chunk_size
    total = None
    if full:
        chunks = tuple(a[: full * chunk_size].reshape(full, chunk_size, *a.shape[1:]) for a in arrays)
        zero = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(f, *(a[0] for a in chunks)))
        total = jax.lax.scan(lambda t, c: (jax.tree.map(jnp.add, t, f(*c)), None), zero, chunks)[0]
    if n % chunk_size:
        rest = f(*(a[full * chunk_size :] for a in arrays))
        total = rest if total is None else jax.tree.map(jnp.add, total, rest)
    return total

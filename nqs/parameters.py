"""The parameters of an ansatz as one real vector."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Num, PyTree

from hamiltonians.space import Particles, Spins
from nqs.ansatz.base import Ansatz


class RealView(eqx.Module):
    """Flattens the parameters of an ansatz to a float64 vector θ and builds the ansatz of a vector.

    A complex parameter is two real ones, its real part and its imaginary part. For a holomorphic log ψ this
    changes nothing: the real gradient (2 Re⟨ΔE* O⟩, 2 Re⟨ΔE* iO⟩) is 2⟨O* ΔE⟩, and Re⟨ΔO†ΔO⟩ over both parts is the
    real form of the Hermitian ⟨O*O⟩ − ⟨O*⟩⟨O⟩; for any other log ψ it is the right definition.
    The vector is float64 whatever the precision of the network: it is the master copy.
    """

    rest: PyTree
    treedef: Any = eqx.field(static=True)
    leaves: tuple[tuple[str, tuple[int, ...], str], ...] = eqx.field(static=True)

    def __init__(self, ansatz: Ansatz):
        parameters, self.rest = eqx.partition(ansatz, eqx.is_inexact_array)
        paths, self.treedef = jax.tree_util.tree_flatten_with_path(parameters)
        self.leaves = tuple(
            (jax.tree_util.keystr(path, simple=True, separator="/"), leaf.shape, str(leaf.dtype))
            for path, leaf in paths
        )

    @property
    def size(self) -> int:
        """The number of real parameters."""
        return sum(_real_size(shape, dtype) for _, shape, dtype in self.leaves)

    def flatten(self, ansatz: Ansatz) -> Float[np.ndarray, " n_parameters"]:
        """θ of an ansatz of the same structure."""
        values = jax.tree.leaves(eqx.filter(ansatz, eqx.is_inexact_array))
        return np.concatenate([np.zeros(0), *(_real(np.asarray(value)) for value in values)])

    @eqx.filter_jit
    def build(self, theta: Float[Array, " n_parameters"]) -> Ansatz:
        """The ansatz with the parameters θ, in its own precision."""
        leaves, start = [], 0
        for _, shape, dtype in self.leaves:
            stop = start + _real_size(shape, dtype)
            part = theta[start:stop]
            if _is_complex(dtype):
                part = jax.lax.complex(*jnp.split(part, 2))
            leaves.append(part.reshape(shape).astype(dtype))
            start = stop
        return eqx.combine(jax.tree.unflatten(self.treedef, leaves), self.rest)

    def named(self, theta: Float[np.ndarray, " n_parameters"]) -> dict[str, np.ndarray]:
        """The parameters by path, real or complex, in double precision."""
        named, start = {}, 0
        for name, shape, dtype in self.leaves:
            stop = start + _real_size(shape, dtype)
            part = np.asarray(theta[start:stop])
            if _is_complex(dtype):
                real, imaginary = np.split(part, 2)
                part = real + 1j * imaginary
            named[name] = part.reshape(shape)
            start = stop
        return named

    def from_named(self, named: dict[str, np.ndarray]) -> Float[np.ndarray, " n_parameters"]:
        """θ from parameters by path; real values of a complex parameter have no imaginary part.

        Raises `ValueError` naming the first path, shape or complex value that does not belong to this ansatz.
        """
        for name, shape, dtype in self.leaves:
            if name not in named:
                raise ValueError(f"no parameter {name!r}")
            if named[name].shape != shape:
                raise ValueError(f"parameter {name!r} has shape {named[name].shape}, not {shape}")
            if np.iscomplexobj(named[name]) and not _is_complex(dtype):
                raise ValueError(f"parameter {name!r} is complex, and real in this ansatz")
        for name in named:
            if name not in {leaf[0] for leaf in self.leaves}:
                raise ValueError(f"parameter {name!r} is not in this ansatz")
        parts = (_real(named[name].astype(complex if _is_complex(dtype) else float)) for name, _, dtype in self.leaves)
        return np.concatenate([np.zeros(0), *parts])


def log_psi_components(ansatz: Ansatz, x: Num[Array, "*configuration"]) -> Float[Array, " components"]:
    """log ψ(x) as real numbers."""
    return components_of(ansatz(x))


def components_of(log_psi: Inexact[Array, ""]) -> Float[Array, " components"]:
    """One number for a real log ψ, its real and imaginary part for a complex one."""
    if not jnp.iscomplexobj(log_psi):
        return log_psi[None].astype(float)
    return jnp.stack([jnp.real(log_psi), jnp.imag(log_psi)]).astype(float)


def n_components(ansatz: Ansatz, space: Spins | Particles) -> int:
    """1 for a real log ψ, 2 for a complex one."""
    x = jax.eval_shape(space.random, jax.random.key(0))
    return len(jax.eval_shape(log_psi_components, ansatz, x))


def _real(value: np.ndarray) -> Float[np.ndarray, " n"]:
    parts = [np.real(value), np.imag(value)] if np.iscomplexobj(value) else [value]
    return np.concatenate([part.ravel() for part in parts]).astype(np.float64)


def _real_size(shape: tuple[int, ...], dtype: str) -> int:
    return int(np.prod(shape)) * (2 if _is_complex(dtype) else 1)


def _is_complex(dtype: str) -> bool:
    return jnp.issubdtype(dtype, jnp.complexfloating)

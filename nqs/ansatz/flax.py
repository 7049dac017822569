"""Any Flax module, NetKet's models among them, as an ansatz."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact, Int8, Key, PyTree

from nqs.ansatz.base import Ansatz


class FlaxAnsatz(Ansatz):
    """log ψ(x) = module.apply(variables, x) for a Flax linen module that maps a batch `(1, n_sites)` to `(1,)`.

    Moves are evaluated by the slow defaults. The precision is that of the module.

    Raises `ValueError` for a module of another shape, or one with state besides its parameters.
    """

    variables: PyTree
    module: Any = eqx.field(static=True)

    def __init__(self, module: Any, n_sites: int, *, key: Key[Array, ""]):
        self.module = module
        self.variables = module.init(key, jnp.ones((1, n_sites)))
        if set(self.variables) - {"params"}:
            raise ValueError(f"a module with {', '.join(self.variables)}: only params can be optimised")
        shape = jax.eval_shape(module.apply, self.variables, jnp.ones((1, n_sites))).shape
        if shape != (1,):
            raise ValueError(f"the module maps shape (1, {n_sites}) to {shape}; log psi must have shape (1,)")

    def __call__(self, x: Int8[Array, " n_sites"]) -> Inexact[Array, ""]:
        return self.module.apply(self.variables, x[None].astype(float))[0]

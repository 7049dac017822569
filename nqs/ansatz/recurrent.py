"""The recurrent network as a normalised wave function."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from hamiltonians.space import Spins
from nqs.ansatz.autoregressive import Autoregressive, Couplings, spin_before


class Recurrent(Autoregressive):
    """Gated recurrent units along the sites, with the same weights everywhere.

    Site i takes x_{i−1} (0 before the first site) and the states s of site i − 1 through one `GRU` cell a layer
    (K. Cho et al., EMNLP 2014), and its outputs are W s_i + c (M. Hibat-Allah et al., Phys. Rev. Research 2, 023358,
    2020). With `couplings` the local field h_i is an input of the first cell and of the output layer as well.
    All parameters are real.

    A sample, and log ψ, cost O(n_sites · width²), with couplings O(n_sites²) more; the states are carried along.
    Moves are evaluated by the slow defaults, O(n_sites · width²) each.
    """

    cells: tuple[eqx.nn.GRUCell, ...]
    output: eqx.nn.Linear
    couplings: Couplings | None
    space: Spins

    def __init__(
        self,
        space: Spins,
        widths: tuple[int, ...] = (32,),
        *,
        key: Key[Array, ""],
        phase: bool = False,
        couplings: Couplings | None = None,
        dtype: str = "float64",
    ):
        keys = jax.random.split(key, len(widths) + 1)
        n_fields = 0 if couplings is None else 1
        sizes = (1 + n_fields, *widths)
        self.cells = tuple(
            eqx.nn.GRUCell(sizes[i], sizes[i + 1], key=keys[i], dtype=jnp.dtype(dtype)) for i in range(len(widths))
        )
        self.output = eqx.nn.Linear(sizes[-1] + n_fields, 2 if phase else 1, key=keys[-1], dtype=jnp.dtype(dtype))
        self.couplings = couplings
        self.space = space

    def site_by_site(self):
        dtype = self.output.weight.dtype
        before = None if self.couplings is None else jnp.asarray(self.couplings.before(), dtype)

        def advance(states, site, x):
            field = jnp.zeros(0, dtype) if before is None else before[site][None] @ x.astype(dtype)
            inputs = jnp.concatenate([spin_before(x, site).astype(dtype)[None], field])
            new = []
            for cell, state in zip(self.cells, states, strict=True):
                inputs = cell(inputs, state)
                new.append(inputs)
            return tuple(new), self.output(jnp.concatenate([inputs, field]))

        return tuple(jnp.zeros(cell.hidden_size, dtype) for cell in self.cells), advance

"""From a result to NetKet, which costs seconds to import: only who asks for this pays."""

from pathlib import Path
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hamiltonians.lattice import Graph
from hamiltonians.space import Spins
from hamiltonians.spin import SpinHamiltonian
from nqs import run_file
from nqs.ansatz.base import Ansatz
from nqs.ansatz.flax import FlaxAnsatz
from nqs.ansatz.rbm import RBM
from nqs.build import build_only_hamiltonian, load
from nqs.errors import InputError


def to_netket(path: Path | str) -> Any:
    """The `netket.vqs.MCState` of the final wave function in a result of a run file, to be continued in NetKet.

    An RBM becomes NetKet's own, a Flax module is itself; the model of any other ansatz calls its log ψ, with the
    parameters by their paths in the result. `MetropolisLocal` samples, or `MetropolisExchange` where Σ s/2 is fixed,
    with the chains, samples and burn-in of the run; `hamiltonian.to_netket()` gives the operator.

    Raises `InputError` if the file is not a whole result of a run file, or of particles.
    """
    result = load(path)
    if not result.config:
        raise InputError(f"{path}: the result of a script, not of a run file")
    config = run_file.parse_text(result.config, str(path))
    hamiltonian = build_only_hamiltonian(config, str(path), result)
    if not isinstance(hamiltonian, SpinHamiltonian):
        raise InputError(f"{path}: particles; only spins go to NetKet")
    model, variables = _model(result.ansatz)
    import netket

    nk = cast(Any, netket)  # incomplete annotations
    return nk.vqs.MCState(
        _sampler(nk, hamiltonian.space, getattr(hamiltonian, "lattice", None), config.sampler.n_chains),
        model,
        variables=variables,
        n_samples=config.sampler.n_samples,
        n_discard_per_chain=getattr(config.sampler, "burn_in", None),
        seed=config.run.seed,
    )


class Model:
    """Any ansatz as what NetKet takes for a module: log ψ of configurations, shaped (..., n_sites)."""

    def __init__(self, ansatz: Ansatz):
        parameters, self._rest = eqx.partition(ansatz, eqx.is_inexact_array)
        leaves, self._treedef = jax.tree_util.tree_flatten_with_path(parameters)
        self._names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
        self._parameters = dict(zip(self._names, (leaf for _, leaf in leaves), strict=True))

    def init(self, key: Any, x: Any) -> dict[str, dict[str, jax.Array]]:
        """The parameters of the ansatz, whatever the key."""
        return {"params": self._parameters}

    def apply(self, variables: Any, x: jax.Array, **_: Any) -> jax.Array:
        """log ψ(x)."""
        parameters = jax.tree.unflatten(self._treedef, [variables["params"][name] for name in self._names])
        ansatz = eqx.combine(parameters, self._rest)
        flat = x.reshape(-1, x.shape[-1]).astype(jnp.int8)
        return jax.vmap(ansatz)(flat).reshape(x.shape[:-1])


def _model(ansatz: Ansatz) -> tuple[Any, Any]:
    if isinstance(ansatz, FlaxAnsatz):
        return ansatz.module, ansatz.variables
    if not isinstance(ansatz, RBM):
        model = Model(ansatz)
        return model, model.init(None, None)
    from netket.models import RBM as Machine

    n_sites, n_hidden = ansatz.weights.shape
    has_visible = ansatz.visible_bias is not None
    visible = {"visible_bias": ansatz.visible_bias} if has_visible else {}
    parameters = {"Dense": {"kernel": ansatz.weights, "bias": ansatz.hidden_bias}, **visible}
    # NetKet rounds alpha times the number of sites down.
    alpha = float(np.nextafter(n_hidden / n_sites, np.inf))
    return Machine(alpha=alpha, use_visible_bias=has_visible, param_dtype=ansatz.weights.dtype), {"params": parameters}


def _sampler(nk: Any, space: Spins, lattice: Graph | None, n_chains: int) -> Any:
    if space.total_sz is None:
        return nk.sampler.MetropolisLocal(nk.hilbert.Spin(0.5, space.n_sites), n_chains=n_chains)
    hilbert = nk.hilbert.Spin(0.5, space.n_sites, total_sz=space.total_sz)
    if lattice is None:
        graph = nk.graph.Complete(space.n_sites)
    else:
        graph = nk.graph.Graph(lattice.edges().tolist(), n_nodes=space.n_sites)
    return nk.sampler.MetropolisExchange(hilbert, graph=graph, n_chains=n_chains)

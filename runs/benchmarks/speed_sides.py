"""The same work for nqs and for its peers: what each of them calls to sample, to get local energies, and to step."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import nqs
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.ising import TransverseIsing
from hamiltonians.lattice import Lattice
from hamiltonians.sherrington_kirkpatrick import SherringtonKirkpatrick, gaussian_couplings
from hamiltonians.spin import SpinHamiltonian
from nqs.ansatz.base import Ansatz
from nqs.ansatz.convolutional import Convolutional
from nqs.local_energy import local_energies
from nqs.sampler.base import sample

N_SAMPLES = 1024
DIAGONAL_SHIFT = 0.01

Parts = dict[str, Callable[[], Any]]


@dataclass(frozen=True)
class Case:
    """H, ψ and the moves of nqs; `netket(netket)` is NetKet's operator, rule, and network where it has this one.

    `quantax(quantax)` is Quantax' operator on its lattice, which is global there.
    """

    hamiltonian: SpinHamiltonian
    ansatz: Ansatz
    move: Any
    netket: Callable[[Any], tuple[Any, Any, Any]]
    quantax: Callable[[Any], Any]


def case(name: str, seed: int = 0) -> Case:
    """`ring_N_ALPHA` (Ising), `square_L_ALPHA` (Heisenberg), `glass_N_ALPHA`, `ffn_N` or `cnn_L`."""
    kind, size, *alpha = name.split("_")
    n, key = int(size), jax.random.key(seed)

    def rbm(n_sites: int) -> Ansatz:
        return nqs.RBM(n_sites, int(alpha[0]), key=key)

    def network(nk: Any) -> Any:
        return nk.models.RBM(alpha=int(alpha[0]), param_dtype=float, use_visible_bias=False) if alpha else None

    if kind in ("ring", "ffn"):
        ansatz = rbm(n) if kind == "ring" else nqs.FeedForward(n, (64, 64), key=key)
        hamiltonian = TransverseIsing(Lattice("chain", (n,)), transverse_field=1.0)

        def ising(nk: Any) -> tuple[Any, Any, Any]:
            operator = nk.operator.IsingJax(nk.hilbert.Spin(0.5, n), nk.graph.Chain(n), h=1.0, J=-1.0)
            return operator, nk.sampler.rules.LocalRule(), network(nk)

        def ising_on_chain(qtx: Any) -> Any:
            qtx.sites.Chain(n)
            return qtx.operator.Ising(h=1.0, J=1.0)

        return Case(hamiltonian, ansatz, nqs.LocalFlip(), ising, ising_on_chain)
    if kind == "glass":
        couplings = np.asarray(gaussian_couplings(n, 1))
        glass = SherringtonKirkpatrick(couplings, transverse_field=1.0)

        def strings(nk: Any) -> tuple[Any, Any, Any]:
            return glass.to_netket().to_jax_operator(), nk.sampler.rules.LocalRule(), network(nk)

        def products(qtx: Any) -> Any:
            qtx.sites.Chain(n)
            x, z = qtx.operator.sigma_x, qtx.operator.sigma_z
            pairs = np.argwhere(np.triu(couplings, 1))
            terms = [-couplings[i, j].item() * (z(int(i)) @ z(int(j))) for i, j in pairs]
            return sum((-1.0 * x(i) for i in range(n)), sum(terms[1:], terms[0]))

        return Case(glass, rbm(n), nqs.LocalFlip(), strings, products)
    is_frustrated = kind == "cnn"
    lattice = Lattice("square", (n, n))
    hamiltonian = Heisenberg(lattice, second_coupling=0.5 if is_frustrated else 0.0, marshall=not is_frustrated)
    ansatz = Convolutional((n, n), 8, 2, 3, key=key, phase=True) if is_frustrated else rbm(n * n)

    def square(nk: Any) -> tuple[Any, Any, Any]:
        graph = nk.graph.Square(n, max_neighbor_order=2 if is_frustrated else 1)
        couplings = {"J": [0.25, 0.125], "sign_rule": [False, False]} if is_frustrated else {"J": 0.25}
        operator = nk.operator.Heisenberg(nk.hilbert.Spin(0.5, n * n, total_sz=0), graph, **couplings)
        rule = nk.sampler.rules.ExchangeRule(graph=nk.graph.Square(n))
        return operator.to_jax_operator(), rule, network(nk)

    def grid(qtx: Any) -> Any:
        qtx.sites.Square(n, Nparticles=(n * n // 2, n * n // 2))
        if is_frustrated:
            return qtx.operator.Heisenberg([0.25, 0.125], [1, 2])
        return qtx.operator.Heisenberg(0.25, msr=True)

    return Case(hamiltonian, ansatz, nqs.Exchange(lattice.edges()), square, grid)


def by_nqs(name: str, n_chains: int, _: int, learning_rate: float, seed: int) -> Parts:
    """The driver's own step, which gives the energy, and the two parts of it that are programs of their own."""
    made = case(name, seed)
    sampler = nqs.Metropolis(made.move, n_chains=n_chains, n_samples=N_SAMPLES, burn_in=0)
    optimizer = nqs.auto(learning_rate, DIAGONAL_SHIFT)
    vmc = nqs.VMC(made.hamiltonian, made.ansatz, sampler, optimizer, seed=seed)
    state, key = vmc.initial_state(), jax.random.key(1)
    extra = jnp.asarray(0)

    @functools.cache
    def samples() -> jax.Array:
        return sample(sampler, made.ansatz, key, vmc.chains, state.x, extra)[0]

    def step() -> float:
        nonlocal state
        state, row, _ = vmc.step(state, lambda: np.zeros(2))
        return row["energy"]

    return {
        "sampling": lambda: jax.block_until_ready(sample(sampler, made.ansatz, key, vmc.chains, state.x, extra)[0]),
        "local energy": lambda: local_energies(
            made.hamiltonian, made.ansatz, samples(), vmc.chunk_size
        ).block_until_ready(),
        "step": step,
    }


def by_netket(name: str, n_chains: int, chunk_size: int, learning_rate: float, seed: int) -> Parts:
    """`MCState` and `VMC_SR`, which chooses between the matrix of parameters and that of samples as ours does."""
    import netket

    nk: Any = netket
    made = case(name, seed)
    operator, rule, network = made.netket(nk)
    space = operator.hilbert
    sampler = nk.sampler.MetropolisSampler(space, rule, n_chains=n_chains, sweep_size=space.size, dtype=np.int8)
    state = nk.vqs.MCState(
        sampler,
        n_samples=N_SAMPLES,
        n_discard_per_chain=0,
        seed=seed,
        chunk_size=chunk_size or None,
        **_network(network, made.ansatz),
    )
    driver = nk.driver.VMC_SR(
        operator, nk.optimizer.Sgd(learning_rate), diag_shift=DIAGONAL_SHIFT, variational_state=state
    )

    def draw() -> None:
        state.reset()
        jax.block_until_ready(state.samples)

    def step() -> float:
        driver.reset_step()
        energy, update = driver.compute_loss_and_update()
        driver.update_parameters(update)
        jax.block_until_ready(state.parameters)
        return float(np.real(energy.mean))

    return {
        "sampling": draw,
        "local energy": lambda: jax.block_until_ready(state.local_estimators(operator)),
        "step": step,
    }


def by_quantax(name: str, _: int, chunk_size: int, learning_rate: float, seed: int) -> Parts:
    """`Variational` and `SR`, which chooses as well; every sample is of a chain of its own."""
    import quantax

    qtx: Any = quantax
    qtx.set_random_seed(seed)
    made = case(name, seed)
    is_complex = isinstance(made.ansatz, Convolutional)
    qtx.set_default_dtype(jnp.complex128 if is_complex else jnp.float64)
    operator = made.quantax(qtx)
    is_rbm = isinstance(made.ansatz, nqs.RBM)
    model = qtx.model.RBM_Dense(made.ansatz.weights.shape[1], dtype=jnp.float64) if is_rbm else _Exp(made.ansatz)
    state = qtx.state.Variational(model, max_parallel=chunk_size or None)
    kind = qtx.sampler.LocalFlip if made.hamiltonian.space.total_sz is None else qtx.sampler.SpinExchange
    sampler = kind(state, N_SAMPLES, sweep_steps=made.hamiltonian.space.n_sites, thermal_steps=0)
    optimizer = qtx.optimizer.SR(state, operator)
    samples = functools.cache(sampler.sweep)

    def step() -> float:
        state.update(learning_rate * optimizer.get_step(sampler.sweep()))
        jax.block_until_ready(state.get_params_flatten())
        return float(optimizer.energy)

    return {
        "sampling": lambda: jax.block_until_ready(sampler.sweep().spins),
        "local energy": lambda: jax.block_until_ready(operator.Oloc(state, samples())),
        "step": step,
    }


class _Exp(eqx.Module):
    """ψ for Quantax, from log ψ."""

    ansatz: Ansatz
    holomorphic: bool = eqx.field(static=True, default=False)

    def __call__(self, x: jax.Array) -> Any:
        from quantax.utils import LogArray

        log_psi = self.ansatz(x)
        phase = jnp.exp(1j * jnp.imag(log_psi)) if jnp.iscomplexobj(log_psi) else jnp.ones(())
        return LogArray(phase, jnp.real(log_psi))


def _network(network: Any, ansatz: Ansatz) -> dict[str, Any]:
    """NetKet's own network, or the very function of ours."""
    if network is not None:
        return {"model": network}
    parameters, rest = eqx.partition(ansatz, eqx.is_inexact_array)
    leaves, tree = jax.tree.flatten(parameters)

    def apply(variables: Any, x: Any, **_: Any) -> jax.Array:
        values = [variables["params"][f"leaf_{i}"] for i in range(len(leaves))]
        psi = eqx.combine(jax.tree.unflatten(tree, values), rest)
        return jax.vmap(psi)(x.reshape(-1, x.shape[-1]).astype(jnp.int8)).reshape(x.shape[:-1])

    return {"apply_fun": apply, "variables": {"params": {f"leaf_{i}": leaf for i, leaf in enumerate(leaves)}}}

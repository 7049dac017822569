"""From the run file to objects: the one list of kinds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hamiltonians.continuum import ContinuumHamiltonian
from hamiltonians.spin import SpinHamiltonian
from nqs import optimizer as optimizers
from nqs import results, run_file, schema
from nqs.ansatz.base import Ansatz
from nqs.ansatz.projected import Projected
from nqs.build_ansatz import build_ansatz, check_not_empty
from nqs.build_hamiltonian import build_hamiltonian
from nqs.driver import VMC
from nqs.errors import InputError
from nqs.import_path import look_beside
from nqs.local_energy import Hamiltonian
from nqs.optax_chain import chain_of
from nqs.optimizer import Optimizer
from nqs.own_ansatz import with_network_keys
from nqs.parallel import Communicator
from nqs.parameters import RealView
from nqs.results import Result
from nqs.sampler.base import Sampler
from nqs.sampler.direct import Direct
from nqs.sampler.metropolis import Metropolis
from nqs.sampler.move_rules import PARTICLE_MOVES, default_move, move_error, particle_move_error
from nqs.sampler.moves import Exchange, GlobalFlip, LocalFlip, Move, all_pairs
from nqs.sampler.random_walk import RandomWalk
from nqs.sampler.tempering import Tempering
from nqs.schedule import number_or_schedule
from nqs.schema import Config
from nqs.writer import read

T = TypeVar("T")

# Proposals of a sweep to exchange particles, for each particle.
MOST_EXCHANGES = 100


def build_vmc(
    config: Config,
    communicator: Communicator,
    stored: Result | None = None,
    name: str = "",
    *,
    is_continued: bool = False,
) -> VMC:
    """Everything that the run file called `name` names.

    `stored` is a result of it, whose disorder is not read again from other files; with `is_continued` the parameters
    come from there as well, not from `init_from`.

    Raises `InputError` naming the file and the table.
    """
    naming = _Naming(name)
    hamiltonian = build_only_hamiltonian(config, name, stored)
    ansatz = _built_ansatz(config, hamiltonian, name)
    if config.run.init_from is not None and not is_continued:
        ansatz = naming("run", lambda: _initialised(ansatz, Path(config.run.init_from or "")))
    if not is_continued:
        naming("ansatz", lambda: check_not_empty(ansatz, hamiltonian.space))
    sampler = naming("sampler", lambda: build_sampler(config.sampler, hamiltonian))
    optimizer = naming("optimizer", lambda: build_optimizer(config.optimizer))
    return VMC(
        hamiltonian,
        ansatz,
        sampler,
        optimizer,
        seed=config.run.seed,
        chunk_size=config.run.chunk_size,
        average_steps=config.measure.average_steps,
        restart_steps=getattr(config.sampler, "restart_steps", None),
        communicator=communicator,
    )


def load(path: Path | str, ansatz: Ansatz | None = None) -> Result:
    """The result in a file, with its parameters in the ansatz they belong to.

    A result of a run file says itself what its ansatz is; for one of a script give an `ansatz` of the same structure,
    otherwise `Result.ansatz` is None.

    Its status is "died" if it was running and no process writes it any more.

    Raises `InputError` if the file is not a whole result that this version reads.
    """
    result = read(Path(path))
    if ansatz is None and result.config:
        config = run_file.parse_text(result.config, str(path))
        hamiltonian = build_only_hamiltonian(config, str(path), result)
        ansatz = _built_ansatz(config, hamiltonian, str(path))
    if ansatz is None:
        return result
    try:
        return replace(result, ansatz=with_parameters(ansatz, result.final_parameters))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _built_ansatz(config: Config, hamiltonian: Hamiltonian, name: str) -> Ansatz:
    with_keys = with_network_keys(config, name) if isinstance(hamiltonian, SpinHamiltonian) else config
    return _Naming(name)("ansatz", lambda: build_ansatz(with_keys, hamiltonian))


def with_parameters(ansatz: Ansatz, parameters: dict[str, np.ndarray]) -> Ansatz:
    """The ansatz with other parameters, given by path."""
    view = RealView(ansatz)
    return view.build(jnp.asarray(view.from_named(parameters)))


def build_sampler(table: schema.Metropolis | schema.Direct, hamiltonian: Hamiltonian) -> Sampler:
    """The sampler of a table."""
    if isinstance(hamiltonian, ContinuumHamiltonian):
        return _random_walk(table, hamiltonian)
    if isinstance(table, schema.Direct):
        return Direct(table.n_chains, table.n_samples)
    move = table.move or default_move(hamiltonian.space.total_sz)
    if error := move_error(set(move) if isinstance(move, dict) else {move}, hamiltonian.space.total_sz):
        raise ValueError(f"move: {error}")
    weights = move if isinstance(move, dict) else {move: 1.0}
    moves = tuple(_move(name, table.pairs, hamiltonian) for name in weights)
    metropolis = Metropolis(
        moves, table.n_chains, table.n_samples, table.sweeps, table.burn_in, tuple(map(float, weights.values()))
    )
    if isinstance(table, schema.Tempering):
        return Tempering(metropolis, table.n_replicas, table.beta_min)
    return metropolis


def _random_walk(table: schema.Metropolis | schema.Direct, hamiltonian: ContinuumHamiltonian) -> RandomWalk:
    if not isinstance(table, schema.Metropolis) or isinstance(table, schema.Tempering):
        raise ValueError('kind: particles take "metropolis"')
    move = table.move or PARTICLE_MOVES[0]
    weights: dict[Any, float] = move if isinstance(move, dict) else {move: 1.0}
    if error := particle_move_error(set(weights)):
        raise ValueError(f"move: {error}")
    if table.pairs is not None:
        raise ValueError("pairs: of spins; an exchange of particles swaps any two of opposite spin")
    space, (steps,) = hamiltonian.space, set(weights) - {"exchange"}
    exchanges = 0
    if "exchange" in weights:
        moved_at_once = 1 if steps == "gaussian" else space.n_particles
        exchanges = max(1, round(space.n_particles / moved_at_once * weights["exchange"] / weights[steps]))
        if exchanges > MOST_EXCHANGES * space.n_particles:
            raise ValueError(f"move: {exchanges:g} exchanges a sweep, more than {MOST_EXCHANGES} for each particle")
    counts = (table.n_chains, table.n_samples, table.sweeps, table.burn_in, exchanges)
    return RandomWalk(space, cast(Any, steps), *counts)


def build_optimizer(table: Any) -> Optimizer:
    """The optimiser of a table."""
    return optimizers.limited(_optimizer(table), table.clip, table.max_norm, table.roll_back)


def _optimizer(table: Any) -> Optimizer:
    rate = number_or_schedule("learning_rate", table.learning_rate)
    match table:
        case schema.SGD():
            return optimizers.sgd(rate)
        case schema.Adam():
            return optimizers.adam(rate, table.b1, table.b2)
        case schema.Optax():
            return Optimizer(chain_of(table.chain), {"learning_rate": rate})
    shift = number_or_schedule("diagonal_shift", table.diagonal_shift)
    match table:
        case schema.SR():
            return optimizers.sr(rate, shift, table.solver)
        case schema.MinSR():
            return optimizers.minsr(rate, shift)
        case schema.Spring():
            return optimizers.spring(rate, shift, table.momentum)
        case _:
            return optimizers.auto(rate, shift)


def _move(name: str | None, pairs: str | None, hamiltonian: Any) -> Move:
    match name:
        case "exchange":
            has_lattice = hasattr(hamiltonian, "lattice")
            if pairs == "neighbours" and not has_lattice:
                raise ValueError('pairs: this Hamiltonian has no lattice to tell neighbours; use "all"')
            if pairs == "all" or not has_lattice:
                return Exchange(all_pairs(hamiltonian.space.n_sites))
            edges = hamiltonian.lattice.edges()
            if not _connects(edges, hamiltonian.space.n_sites):
                raise ValueError('pairs: bonds of neighbours do not connect all sites; use "all"')
            return Exchange(edges)
        case "global_flip":
            return GlobalFlip()
        case _:
            return LocalFlip()


def _connects(edges: np.ndarray, n_sites: int) -> bool:
    """Whether spins can move between any two sites."""
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n_sites, n_sites))
    return connected_components(graph, directed=False, return_labels=False) == 1


def _drawn(ansatz: Ansatz) -> dict[str, np.ndarray]:
    view = RealView(ansatz)
    return view.named(view.flatten(ansatz))


def _initialised(ansatz: Ansatz, path: Path) -> Ansatz:
    """With the parameters of a result; a projected wave function takes those of the same one before its projection.

    Those that the result does not have stay as they are: a Slater-Jastrow function is a start for one with a network,
    which holds the determinants one level deeper.
    """
    try:
        parameters, drawn = results.read(path).final_parameters, _drawn(ansatz)
        inside = {name: "slater/log_scale".join(name.rsplit("log_scale", 1)) for name in parameters.keys() - drawn}
        parameters = {inside[n] if inside.get(n) in drawn else n: value for n, value in parameters.items()}
        if isinstance(ansatz, Projected) and not parameters.keys() <= drawn.keys():
            inner = with_parameters(ansatz.ansatz, _drawn(ansatz.ansatz) | parameters)
            return eqx.tree_at(lambda projected: projected.ansatz, ansatz, inner)
        return with_parameters(ansatz, drawn | parameters)
    except InputError as error:
        raise ValueError(f"init_from: {error}") from error
    except ValueError as error:
        raise ValueError(f"init_from: {path}: {error}") from error


@dataclass(frozen=True)
class _Naming:
    """Puts the file and the table before whatever is wrong."""

    name: str

    def __call__(self, table: str, make: Callable[[], T]) -> T:
        try:
            return make()
        except (ValueError, TypeError, ArithmeticError, MemoryError) as error:
            message = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{self.name}: [{table}] {message}") from error


def build_only_hamiltonian(config: Config, name: str, stored: Result | None = None) -> Hamiltonian:
    """The Hamiltonian of the run file called `name`.

    Raises `InputError` naming the file and the table.
    """
    look_beside(Path(name))
    instance = stored.instance if stored is not None and _is_of(stored, config.hamiltonian, name) else None
    return _Naming(name)("hamiltonian", lambda: build_hamiltonian(config.hamiltonian, instance))


def _is_of(stored: Result, table: Any, name: str) -> bool:
    """Whether a result is that of this table of a Hamiltonian, and not of another one put over it."""
    return bool(stored.config) and run_file.parse_text(stored.config, name).hamiltonian == table

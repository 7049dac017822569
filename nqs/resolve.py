"""Fills in what follows from other keys of a run file, and checks what types cannot."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, get_args

from msgspec.structs import replace

from nqs import schema
from nqs.errors import InputError
from nqs.sampler.move_rules import default_move, move_error
from nqs.schema import Config
from nqs.schema_errors import listed, suggestion
from nqs.schema_optimizer import SCHEDULES, TRANSFORMS
from nqs.text_files import read_edges, read_pauli_strings

MAX_SITES = 10**6
LATTICE_DIMENSIONS = {"chain": 1, "square": 2, "cubic": 3, "triangular": 2, "honeycomb": 2, "kagome": 2}
SITES_PER_CELL = {"honeycomb": 2, "kagome": 3}

Wrong = Callable[[str, str], NoReturn]


def resolved(config: Config, name: str) -> Config:
    """The configuration with every default that depends on others, and with the text files it names read.

    Raises `InputError` naming the file, the table and the key.
    """

    def wrong(key: str, message: str) -> NoReturn:
        table, _, key = key.partition(".")
        raise InputError(f"{name}: [{table}] {key}: {message}")

    system, ansatz, sampler = config.hamiltonian, config.ansatz, config.sampler
    total_sz, on_lattice = None, isinstance(system, schema.OnLattice)
    if isinstance(system, schema.OnLattice):
        system = _resolve_lattice(system, wrong)
        n_sites = _n_sites(system)
        if n_sites > MAX_SITES:
            wrong("hamiltonian.extent", f"{n_sites:.3g} sites are more than {MAX_SITES}")
        if isinstance(system, schema.Exchange):
            system = _resolve_magnetisation(system, wrong)
            total_sz = _total_sz(system.total_sz, n_sites, wrong)
    elif isinstance(system, schema.PauliStrings):
        system = _resolve_strings(system, wrong)
        total_sz = _total_sz(system.total_sz, len(next(iter(system.strings or ()), "")), wrong)
    elif isinstance(system, schema.SherringtonKirkpatrick):
        system = _resolve_couplings(system, wrong)
    if isinstance(ansatz, schema.Autoregressive):
        ansatz = _resolve_autoregressive(ansatz, wrong)
    if isinstance(sampler, schema.Direct):
        _check_normalised(ansatz, wrong)
    is_known = isinstance(system, schema.OnLattice | schema.PauliStrings | schema.SherringtonKirkpatrick)
    if isinstance(sampler, schema.Metropolis) and is_known and getattr(system, "operator", None) is None:
        sampler = _resolve_moves(sampler, total_sz, on_lattice, wrong)
    if sampler.n_samples % sampler.n_chains:
        nearest = max(1, round(sampler.n_samples / sampler.n_chains)) * sampler.n_chains
        wrong(
            "sampler.n_samples",
            f"{sampler.n_samples} is not a multiple of n_chains = {sampler.n_chains}; {nearest} is",
        )
    for key in ("learning_rate", "diagonal_shift"):
        value = getattr(config.optimizer, key, None)
        if isinstance(value, dict) and value.get("schedule") not in SCHEDULES:
            wrong(f"optimizer.{key}", f"needs schedule = one of {listed(SCHEDULES)}")
    if isinstance(config.optimizer, schema.Optax):
        _check_chain(config.optimizer, wrong)
    output = config.run.output or f"results/{Path(name).stem}.h5"
    run = replace(config.run, output=output)
    return replace(config, hamiltonian=system, ansatz=ansatz, sampler=sampler, run=run)


def _resolve_lattice(system: schema.OnLattice, wrong: Wrong) -> schema.OnLattice:
    if system.lattice == "edges":
        if system.extent is not None:
            wrong("hamiltonian.extent", 'lattice = "edges" has none')
        if system.edges is None:
            wrong("hamiltonian.edges", 'missing: lattice = "edges" needs a list of pairs, or a file of them')
        edges = _read("hamiltonian.edges", system.edges, read_edges, wrong)
        sites = {site for edge in edges for site in edge}
        if min(sites) >= 0 and max(sites) < MAX_SITES and (alone := set(range(max(sites))) - sites):
            wrong("hamiltonian.edges", f"site {min(alone)} is in none of them; sites are numbered from 0 without gaps")
        system = replace(system, edges=edges)
        if not isinstance(system, schema.J1J2):
            return system
        if system.second_edges is None:
            wrong("hamiltonian.second_edges", 'missing: lattice = "edges" needs those of second neighbours too')
        return replace(system, second_edges=_read("hamiltonian.second_edges", system.second_edges, read_edges, wrong))
    if isinstance(system, schema.J1J2) and system.second_edges is not None:
        wrong("hamiltonian.second_edges", f'a {system.lattice} lattice has its own; lattice = "edges" takes a list')
    if system.edges is not None:
        wrong("hamiltonian.edges", f'a {system.lattice} lattice has its own; lattice = "edges" takes a list')
    dimension = LATTICE_DIMENSIONS[system.lattice]
    if system.extent is None:
        wrong("hamiltonian.extent", f"missing: a {system.lattice} lattice needs {dimension} lengths")
    if len(system.extent) != dimension:
        wrong("hamiltonian.extent", f"a {system.lattice} lattice needs {dimension} lengths, not {len(system.extent)}")
    return system


def _read(key: str, value: Any, read: Callable[[Path], Any], wrong: Wrong) -> Any:
    """What a value is, or what the file that it names holds."""
    try:
        content = read(Path(value)) if isinstance(value, str) else value
    except ValueError as error:
        wrong(key, str(error))
    if not content:
        wrong(key, "empty")
    return content


def _n_sites(system: schema.OnLattice) -> int:
    if system.lattice == "edges":
        return 1 + max(max(edge) for edge in system.edges or () if not isinstance(edge, str))
    return math.prod(system.extent or ()) * SITES_PER_CELL.get(system.lattice, 1)


def _resolve_magnetisation(system: schema.Exchange, wrong: Wrong) -> schema.Exchange:
    """Of a magnetisation that nobody chose: the ground state may have another one."""
    if system.total_sz is not None:
        return system
    fields = _all(system.longitudinal_field)
    for is_so, what in (
        (abs(math.fsum(fields)) > 1e-12 * math.fsum(map(abs, fields)), "with a field whose mean is not zero"),
        (_is_ferromagnetic_along_z(system), "with z-z couplings that align spins and are the stronger ones"),
    ):
        if is_so:
            wrong("hamiltonian.total_sz", f'missing: {what} give total_sz = "free", or a magnetisation')
    return replace(system, total_sz=0.0)


def _is_ferromagnetic_along_z(system: schema.Exchange) -> bool:
    couplings = [coupling for coupling in _all(system.coupling) if coupling]
    aligning = [getattr(system, "anisotropy", 1.0) * coupling < -abs(coupling) for coupling in couplings]
    return bool(couplings) and all(aligning)


def _all(values: schema.OneEach) -> tuple[float, ...]:
    return values if isinstance(values, tuple) else (values,)


def _total_sz(total_sz: float | str | None, n_sites: int, wrong: Wrong) -> float | None:
    if total_sz is None or isinstance(total_sz, str):
        return None
    if (n_sites / 2 + total_sz) % 1 or abs(total_sz) > n_sites / 2:
        first = n_sites % 2 / 2
        wrong(
            "hamiltonian.total_sz",
            f"{n_sites} spins cannot have total_sz = {total_sz:g}; allowed: {first:g}, {first + 1:g}, ... "
            f'up to {n_sites / 2:g} and their negatives, or "free"',
        )
    return total_sz


def _resolve_strings(system: schema.PauliStrings, wrong: Wrong) -> schema.PauliStrings:
    """Those of an operator are known when it is imported."""
    if system.operator is None:
        if system.strings is None:
            wrong("hamiltonian.strings", 'missing: give strings, or operator = "package.module:name"')
        if system.arguments is not None:
            wrong("hamiltonian.arguments", "of an operator, which is not given")
        strings = _read("hamiltonian.strings", system.strings, read_pauli_strings, wrong)
        return replace(system, strings=strings, total_sz="free" if system.total_sz is None else system.total_sz)
    if system.strings is not None:
        wrong("hamiltonian.operator", "excludes strings: give one of them")
    if system.total_sz is not None:
        wrong("hamiltonian.total_sz", "that of an operator is fixed, or free, by its Hilbert space")
    return system


def _check_chain(optimizer: schema.Optax, wrong: Wrong) -> None:
    for table in optimizer.chain:
        name = str(table.get("transform", ""))
        if name not in TRANSFORMS:
            said = f"transform = {name!r} is not allowed" if name else "each table needs a transform"
            alone = f"scale_by_{name}"  # what an optimiser of optax is without its learning rate
            meant = f", did you mean {alone}?" if alone in TRANSFORMS else suggestion(name, [*TRANSFORMS])
            listing = "those that need only the gradient and the parameters are: " + listed(TRANSFORMS)
            wrong("optimizer.chain", f"{said}{meant}; {listing}")


def _resolve_couplings(system: schema.SherringtonKirkpatrick, wrong: Wrong) -> schema.SherringtonKirkpatrick:
    if system.couplings is not None and (system.n_sites, system.instance) != (None, None):
        wrong("hamiltonian.couplings", "a file of couplings excludes n_sites and instance")
    if system.couplings is None and system.n_sites is None:
        wrong("hamiltonian.n_sites", 'missing: give n_sites (and instance), or couplings = "file"')
    return replace(system, instance=0) if system.couplings is None and system.instance is None else system


def _resolve_autoregressive(ansatz: schema.Autoregressive, wrong: Wrong) -> schema.Autoregressive:
    if ansatz.network == "recurrent":
        if ansatz.activation is not None:
            wrong("ansatz.activation", "gated recurrent units have their own")
        return replace(ansatz, widths=ansatz.widths or (32,))
    return replace(ansatz, widths=ansatz.widths or (64,), activation=ansatz.activation or "tanh")


def _check_normalised(ansatz: Any, wrong: Wrong) -> None:
    if not isinstance(ansatz, schema.Autoregressive | schema.Custom):
        wrong("sampler.kind", 'direct sampling needs an ansatz of kind "autoregressive"; others take "metropolis"')
    if keys := schema.network_keys(ansatz):
        names = listed(f"ansatz.{key}" for key in keys)
        wrong("sampler.kind", f'with {names} psi is not normalised and cannot be sampled directly; use "metropolis"')


def _resolve_moves(
    sampler: schema.Metropolis, total_sz: float | None, on_lattice: bool, wrong: Wrong
) -> schema.Metropolis:
    move = default_move(total_sz) if sampler.move is None else sampler.move
    names = set(move) if isinstance(move, dict) else {move}
    if not names:
        wrong("sampler.move", f"an empty table; allowed: {listed(get_args(schema.MoveName))}")
    if error := move_error(names, total_sz):
        wrong("sampler.move", error)
    pairs = sampler.pairs
    if "exchange" in names:
        pairs = pairs or ("neighbours" if on_lattice else "all")
        if pairs == "neighbours" and not on_lattice:
            wrong("sampler.pairs", 'every site is a neighbour of every other here; use "all"')
    elif pairs is not None:
        wrong("sampler.pairs", "only an exchange has pairs")
    return replace(sampler, move=move, pairs=pairs)

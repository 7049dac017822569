"""What `nqs exact` says: the closed form and the Lanczos energy of a Hamiltonian."""

from collections.abc import Iterator

from hamiltonians.continuum import ContinuumHamiltonian
from hamiltonians.exact import ground_state, n_states
from hamiltonians.exact_sector import sector_levels
from hamiltonians.periodic import PeriodicHamiltonian
from hamiltonians.spin import SpinHamiltonian
from nqs.build import build_only_hamiltonian
from nqs.build_ansatz import build_sector
from nqs.errors import InputError
from nqs.own_ansatz import with_network_keys
from nqs.results import Result
from nqs.schema import Config

MAX_STATES = 1 << 22
MAX_SITES = 26
# States times elements of the group of a sector.
MAX_IMAGES = 1 << 25


def exact_lines(config: Config, name: str, stored: Result | None, n_levels: int) -> Iterator[str]:
    """The lines to print for the run file called `name`, or for the result `stored` of it.

    Raises `InputError` if there is neither a closed form nor a space small enough to diagonalise.
    """
    hamiltonian = build_only_hamiltonian(config, name, stored)
    if not isinstance(hamiltonian, SpinHamiltonian):
        yield from _particle_lines(hamiltonian, n_levels)
        return
    size = n_states(hamiltonian.space)
    if not 1 <= n_levels <= size:
        raise InputError(f"--levels {n_levels}: the space has {size} states")
    reference = hamiltonian.reference_energy()
    yield hamiltonian.convention
    if reference is not None:
        yield f"closed form  E0 = {reference:.10f}  ({hamiltonian.energy_unit})"
    yield from _sector_lines(config, name, hamiltonian, n_levels)
    if size <= MAX_STATES and hamiltonian.space.n_sites <= MAX_SITES:
        for level, energy in enumerate(ground_state(hamiltonian, n_levels)[0]):
            yield f"Lanczos      E{level} = {energy:.10f}  ({hamiltonian.energy_unit}, {size} states)"
    elif reference is None or n_levels > 1:
        raise InputError(
            f"no exact energies: {hamiltonian.space.n_sites} sites with {size:.3g} states are more than "
            f"{MAX_SITES} sites with {MAX_STATES} states"
        )


def _particle_lines(hamiltonian: ContinuumHamiltonian, n_levels: int) -> Iterator[str]:
    """The exact ground-state energy of particles, where it is known, and in a cell the Hartree–Fock energy."""
    reference = hamiltonian.reference_energy()
    if (reference is None and not isinstance(hamiltonian, PeriodicHamiltonian)) or n_levels > 1:
        raise InputError("no exact energies: of particles only the ground state, and only where a closed form holds")
    yield hamiltonian.convention
    if reference is not None:
        yield f"exact        E0 = {reference:.10f}  ({hamiltonian.energy_unit})"
    if isinstance(hamiltonian, PeriodicHamiltonian):
        terms, n = hamiltonian.hartree_fock_terms(), hamiltonian.space.n_particles
        parts = ", ".join(f"{name} {value / n:.7f}" for name, value in terms.items())
        total = sum(terms.values())
        yield f"Hartree-Fock E = {total:.10f}  ({hamiltonian.energy_unit}; of each particle {total / n:.7f}: {parts})"


def _sector_lines(config: Config, name: str, hamiltonian: SpinHamiltonian, n_levels: int) -> Iterator[str]:
    """The levels of the sector of the ansatz, where it has one that is small enough."""
    size = n_states(hamiltonian.space)
    table = with_network_keys(config, name).ansatz
    try:
        sector = build_sector(table, hamiltonian)
        if sector is None:
            return
        if size > MAX_STATES or size * len(sector.flips) > MAX_IMAGES:
            yield f"the sector of the ansatz is left out: {size:.3g} states times {len(sector.flips)} elements"
            return
        for level, energy in enumerate(sector_levels(hamiltonian, sector, n_levels)):
            yield f"Lanczos      E{level} = {energy:.10f}  ({hamiltonian.energy_unit}, in the sector of the ansatz)"
    except ValueError as error:
        raise InputError(f"{name}: [ansatz] {error}") from error

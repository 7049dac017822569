"""What `nqs exact` says: the closed form and the Lanczos energy of a Hamiltonian."""

from collections.abc import Iterator

from hamiltonians.exact import ground_state, n_states
from nqs.build import build_hamiltonian, naming
from nqs.errors import InputError
from nqs.schema import Config

MAX_STATES = 1 << 22


def exact_lines(config: Config, n_levels: int) -> Iterator[str]:
    """The lines to print.

    Raises `InputError` if there is neither a closed form nor a space small enough to diagonalise.
    """
    hamiltonian = naming("hamiltonian", lambda: build_hamiltonian(config.hamiltonian))
    size = n_states(hamiltonian.space)
    if not 1 <= n_levels <= size:
        raise InputError(f"--levels {n_levels}: the space has {size} states")
    reference = hamiltonian.reference_energy()
    yield hamiltonian.convention
    if reference is not None:
        yield f"closed form  E0 = {reference:.10f}  ({hamiltonian.energy_unit})"
    if size <= MAX_STATES:
        for level, energy in enumerate(ground_state(hamiltonian, n_levels)[0]):
            yield f"Lanczos      E{level} = {energy:.10f}  ({hamiltonian.energy_unit}, {size} states)"
    elif reference is None or n_levels > 1:
        raise InputError(f"no exact energies: {size:.3g} states are more than {MAX_STATES} to diagonalise")

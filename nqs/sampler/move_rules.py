"""Which moves suit which space; no JAX, so that a wrong run file is refused at once."""

from collections.abc import Set

# The first one is taken where none is named.
PARTICLE_MOVES = ("gaussian", "gaussian_all", "langevin")


def move_error(names: Set[str], total_sz: float | None) -> str | None:
    """Why moves of these names cannot sample a space, or None if they can reach all of it and nothing else."""
    if of_particles := sorted(names & set(PARTICLE_MOVES)):
        return f"{of_particles[0]} moves particles; spins take flip, exchange and global_flip"
    if total_sz is not None:
        if "flip" in names:
            return f'flip breaks the fixed total_sz = {total_sz:g}; use exchange, or total_sz = "free"'
        if total_sz != 0 and "global_flip" in names:
            return f"global_flip turns total_sz = {total_sz:g} into its negative; use exchange"
        if "exchange" not in names:
            return "global_flip alone reaches two configurations; add exchange"
    elif "flip" not in names:
        if names == {"global_flip"}:
            return "global_flip alone reaches two configurations; add flip"
        return "exchange and global_flip never change |sum s|; add flip, or fix total_sz"
    return None


def particle_move_error(names: Set[str]) -> str | None:
    """Why moves of these names are not those of particles; None if they are."""
    if len(names & set(PARTICLE_MOVES)) == 1 and names <= {*PARTICLE_MOVES, "exchange"}:
        return None
    return f"particles take one of {', '.join(PARTICLE_MOVES)}, alone or in a table with exchange"


def default_move(total_sz: float | None) -> str:
    """The move that reaches all of a space by itself."""
    return "flip" if total_sz is None else "exchange"

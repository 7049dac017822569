"""How one configuration of particles turns into another; `hamiltonians.space.Flip` is the move of spins."""

import equinox as eqx
from jaxtyping import Array, Float, Int


class Displacement(eqx.Module):
    """The move of one particle to a new position."""

    particle: Int[Array, ""]
    position: Float[Array, " dim"]

    def apply(self, x: Float[Array, "n_particles dim"]) -> Float[Array, "n_particles dim"]:
        """The configuration after the move."""
        return x.at[self.particle].set(self.position)


class Swap(eqx.Module):
    """The particles of `pair` exchange their positions; several moves are stacked along leading axes."""

    pair: Int[Array, "*moves 2"]

    def apply(self, x: Float[Array, "n_particles dim"]) -> Float[Array, "n_particles dim"]:
        """The configuration after the move."""
        return x.at[self.pair].set(x[self.pair[::-1]])

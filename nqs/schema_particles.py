"""The Hamiltonians of particles in a run file."""

from typing import Annotated, Literal

from msgspec import Meta

from nqs.schema_table import Kind, NonNegative, Positive

Number = Annotated[int, Meta(ge=0, le=1000)]
Dimension = Annotated[int, Meta(ge=1, le=3)]


class Spinful(Kind, frozen=True, kw_only=True):
    n_up: Annotated[Number, Meta(description="particles with spin up")]
    n_down: Annotated[Number, Meta(description="particles with spin down")]


class Periodic(Spinful, frozen=True, kw_only=True):
    twist: Annotated[
        tuple[float, ...] | None,
        Meta(description="of each reciprocal lattice vector, 2 pi / L in a cube, within +-1/2; zero"),
    ] = None
    open_shells: Annotated[bool, Meta(description="allow a shell of plane waves that is filled in part")] = False


class ElectronGas(Periodic, tag="electron_gas", frozen=True, kw_only=True):
    """Homogeneous electron gas in a periodic cell, with background and Madelung term, in hartree and bohr."""

    r_s: Annotated[float, Meta(description="density parameter: a sphere or disc of radius r_s for each electron")]
    dim: Annotated[Dimension, Meta(description="2 or 3")] = 3
    cell: Annotated[
        Literal["cubic", "square", "hexagonal"] | None,
        Meta(description="cubic in three dimensions; square or hexagonal in two, square unless given"),
    ] = None
    interaction: Annotated[
        Literal["ewald", "minimum_image", "none"],
        Meta(description="Ewald's sum, or the bare 1/r of nearest images without background"),
    ] = "ewald"


class Trap(Spinful, tag="trap", frozen=True, kw_only=True):
    """Electrons or bosons in a harmonic trap, in hartree and bohr (hbar = m = 1)."""

    n_up: Annotated[Number, Meta(description="particles with spin up, or the number of bosons")]
    n_down: Annotated[Number, Meta(description="particles with spin down; bosons have none")] = 0
    particles: Annotated[Literal["electrons", "bosons"], Meta(description="which statistics")] = "electrons"
    dim: Annotated[Dimension, Meta(description="1, 2 or 3")] = 2
    omega: Annotated[Positive | tuple[Positive, ...], Meta(description="frequency, or one for each axis")] = 1.0
    interaction: Annotated[
        Literal["coulomb", "hard_core", "none"],
        Meta(description="1/sqrt(r^2 + softening^2), or infinite below core_diameter"),
    ] = "coulomb"
    softening: Annotated[NonNegative, Meta(description="of the repulsion; needed in one dimension")] = 0.0
    core_diameter: Annotated[NonNegative, Meta(description="of hard cores")] = 0.0
    open_shells: Annotated[bool, Meta(description="allow a level of the oscillator that is filled in part")] = False


class NeutronMatter(Periodic, tag="neutron_matter", frozen=True, kw_only=True):
    """Neutrons in a periodic cube with pionless two- and three-body forces, in MeV and fm."""

    density: Annotated[float, Meta(description="neutrons in a cubic fm")] = 0.04

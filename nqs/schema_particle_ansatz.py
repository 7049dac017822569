"""The wave functions of particles in a run file."""

from typing import Annotated

from msgspec import Meta

from nqs.schema_table import Count, Kind, NonNegative

Width = Annotated[float, Meta(ge=1e-6, le=1e6)]
Powers = Annotated[int, Meta(ge=1, le=20)]
Stddev = Annotated[NonNegative, Meta(description="standard deviation of the initial parameters")]


class ParticleAnsatz(Kind, frozen=True, kw_only=True):
    """A wave function of particles."""


class Slater(ParticleAnsatz, tag="slater", frozen=True, kw_only=True):
    """A determinant for each spin alone: plane waves in a cell, oscillator states in a trap."""


class Correlated(ParticleAnsatz, frozen=True, kw_only=True):
    """A wave function with a Jastrow factor of pairs."""

    powers: Annotated[Powers, Meta(description="of the Jastrow factor of pairs; 1 is Pade-Jastrow")] = 4


class SlaterJastrow(Correlated, tag="slater_jastrow", frozen=True, kw_only=True):
    """Determinants times a Jastrow factor of pairs with exact cusps."""


class GaussianRBM(ParticleAnsatz, tag="gaussian_rbm", frozen=True, kw_only=True):
    """Gaussian-binary restricted Boltzmann machine of the coordinates, in open space."""

    n_hidden: Annotated[Count, Meta(description="hidden units")] = 4
    sigma: Annotated[Width | None, Meta(description="width of the Gaussians; omega^(-1/2) of a trap")] = None
    learn_sigma: Annotated[bool, Meta(description="sigma is a parameter")] = False
    determinant: Annotated[bool, Meta(description="times determinants of Hermite polynomials")] = False
    jastrow: Annotated[bool, Meta(description="times a Pade-Jastrow factor with exact cusps")] = False
    stddev: Stddev = 0.01


class Backflow(Correlated, tag="backflow", frozen=True, kw_only=True):
    """slater_jastrow with feed-forward backflow and Jastrow, which begin at zero."""

    width: Annotated[Count, Meta(description="hidden units")] = 16


class MessagePassing(Correlated, tag="message_passing", frozen=True, kw_only=True):
    """slater_jastrow with backflow and orbital factors by message passing, which begin at zero."""

    width: Annotated[Count, Meta(description="numbers in the state of a particle and of a pair")] = 10
    rounds: Annotated[Count, Meta(description="of messages")] = 2
    determinants: Annotated[Count, Meta(description="with backflow in common and orbital factors of their own")] = 1
    complex: Annotated[bool, Meta(description="complex backflow and orbital factors")] = False

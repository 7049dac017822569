"""Particles and wave functions that several tests share."""

import jax
import jax.numpy as jnp
import numpy as np

from hamiltonians.space import Particles
from nqs.ansatz.base import Ansatz
from nqs.ansatz.geometry import Geometry
from nqs.ansatz.orbitals import Oscillator, PlaneWaves
from nqs.ansatz.pair_jastrow import PairJastrow, coulomb_cusps
from nqs.ansatz.product import Product
from nqs.ansatz.slater import Slater
from nqs.parameters import RealView

HEXAGON = Particles(2, 1, 2, 3.0 * np.array([[1.0, 0.0], [0.5, 3**0.5 / 2]]))
CUBE = Particles(3, 1, 3, 2.5 * np.eye(3))
DOT = Particles(2, 1, 2, spread=1.3)
MOMENTA = ((0, 0, 0), (0, 0, 1), (0, 0, -1))


def scrambled(ansatz: Ansatz, stddev: float = 0.3) -> Ansatz:
    """The ansatz with random parameters, as large as trained ones."""
    view = RealView(ansatz)
    theta = view.flatten(ansatz) + np.random.default_rng(3).normal(0, stddev, view.size)
    return view.build(jnp.asarray(theta))


def plane_waves(space: Particles, twist: tuple[float, ...]) -> Slater:
    """The first plane waves of `MOMENTA`, a determinant for each spin."""
    sizes = [n for n in (space.n_up, space.n_down) if n]
    momenta = [[k[3 - space.dim :] for k in MOMENTA[:n]] for n in sizes]
    return Slater([PlaneWaves(some, twist, Geometry(space)) for some in momenta], sizes)


def pair_jastrow(space: Particles, n_powers: int = 4) -> PairJastrow:
    return PairJastrow(Geometry(space), space.n_up, coulomb_cusps(space.dim), n_powers)


def slater_jastrow(space: Particles) -> Ansatz:
    """A determinant of the lowest oscillator states with a Jastrow factor."""
    sizes = [n for n in (space.n_up, space.n_down) if n]
    slater = Slater([Oscillator.lowest(n, (1.0, 1.3, 0.8)[: space.dim]) for n in sizes], sizes, is_scaled=True)
    return scrambled(Product((slater, pair_jastrow(space))))


def configurations(space: Particles, n: int, seed: int = 0):
    """Random positions."""
    return jax.vmap(space.random)(jax.random.split(jax.random.key(seed), n))

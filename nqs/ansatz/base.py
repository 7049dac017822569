"""The one interface of wave functions."""

import abc
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Inexact, Int, Num, PyTree

T = TypeVar("T")


class Ansatz(eqx.Module):
    """A wave function ψ(x); `ansatz(x)` is log ψ, real or complex, of one configuration: spins
    `(n_sites,)` or positions `(n_particles, dim)`.

    That is enough to plug in. An ansatz that can evaluate a changed configuration faster than a new one also
    replaces the methods below, which the sampler and the local energy are written against:
    a `cache` belongs to one configuration x, and moves (a `Flip`, `Displacement` or `Swap`) are relative to it.
    """

    @abc.abstractmethod
    def __call__(self, x: Num[Array, "*configuration"]) -> Inexact[Array, ""]:
        """log ψ(x)."""

    def start(self, x: Num[Array, "*configuration"]) -> PyTree:
        """The cache of x."""
        return self(x)

    def log_ratio(self, cache: PyTree, x: Num[Array, "*configuration"], move: Any) -> Inexact[Array, ""]:
        """log ψ(x′) − log ψ(x), where x′ is `move.apply(x)`."""
        return self(move.apply(x)) - cache

    def log_ratios(self, cache: PyTree, x: Num[Array, "*configuration"], moves: Any) -> Inexact[Array, " n_moves"]:
        """`log_ratio` of many moves of one x, stacked along their first axis."""
        return jax.vmap(lambda move: self.log_ratio(cache, x, move))(moves)

    def advance(self, cache: PyTree, x: Num[Array, "*configuration"], move: Any) -> PyTree:
        """The cache of x′."""
        return self(move.apply(x))

    def moved(self, cache: PyTree, x: Num[Array, "*configuration"], move: Any) -> tuple[Inexact[Array, ""], PyTree]:
        """`log_ratio` and `advance` at once; XLA does not see by itself what these have in common."""
        if type(self).log_ratio is Ansatz.log_ratio and type(self).advance is Ansatz.advance:
            log_psi = self(move.apply(x))
            return log_psi - cache, log_psi
        return self.log_ratio(cache, x, move), self.advance(cache, x, move)

    def accelerated(self, use: Callable[["Ansatz"], T]) -> T:
        """`use(ψ)` of the same wave function in the form that is fastest for many moves.

        Which form that is may depend on the parameters; the choice is part of the compiled program, so that `use` is
        traced for each form, and runs for one.
        """
        return use(self)

    def moves_are_cheap(self) -> bool:
        """Whether a ratio costs little more than to read the cache; if not, only those that are needed are formed."""
        return False

    def has_one_magnetisation(self) -> bool:
        """Whether ψ is zero at all magnetisations but one, so that a ratio may be infinite."""
        return False

    def can_vanish(self) -> bool:
        """Whether ψ may be exactly zero, from where no ratio leads back."""
        return self.has_one_magnetisation()

    def symmetries(self) -> Int[np.ndarray, "n_symmetries n_sites"] | None:
        """A group of permutations g of the sites with ψ(x[g]) = ψ(x) at any parameters, where one is known."""
        return None

    def zero_taps(self) -> tuple[Inexact[Array, "..."], ...] | None:
        """A zero for each output of each dense layer, or None.

        Not None says that every parameter is a weight of a dense layer z = aW, so that O = a ⊗ ∂log ψ/∂z, and that
        `with_taps` gives these factors; minSR then never holds O.
        """
        return None

    def with_taps(self, x: Num[Array, "*configuration"], taps: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """log ψ(x) with a tap added to the output of each dense layer, and the input of each (a 1 for its bias)."""
        raise NotImplementedError(f"{type(self).__name__} has no taps")


class MovingAnsatz(Ansatz):
    """An ansatz whose log ratio and new cache are found together: it defines `start` and `moved`.

    Raises `TypeError` for a class that replaces `advance` and not `moved`, which samplers call.
    """

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if "advance" in vars(cls) and "moved" not in vars(cls):
            raise TypeError(f"{cls.__name__} replaces advance: it has to replace moved as well")

    @abc.abstractmethod
    def moved(self, cache: PyTree, x: Num[Array, "*configuration"], move: Any) -> tuple[Inexact[Array, ""], PyTree]:
        """log ψ(x′) − log ψ(x), and the cache of x′."""

    def log_ratio(self, cache: PyTree, x: Num[Array, "*configuration"], move: Any) -> Inexact[Array, ""]:
        return self.moved(cache, x, move)[0]

    def advance(self, cache: PyTree, x: Num[Array, "*configuration"], move: Any) -> PyTree:
        return self.moved(cache, x, move)[1]

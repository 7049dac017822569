"""Products of wave functions, and a factor that is a phase alone."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact, Int, Num

from nqs.ansatz.base import Ansatz, MovingAnsatz, T


class Product(MovingAnsatz):
    """ψ = ψ_1 ψ_2 …, for example a Jastrow factor on a network; the factors keep their own caches.

    With a real and a complex factor log ψ is complex.
    """

    factors: tuple[Ansatz, ...]

    def __call__(self, x: Num[Array, "*configuration"]) -> Inexact[Array, ""]:
        return _total([factor(x) for factor in self.factors])

    def accelerated(self, use: Callable[[Ansatz], T]) -> T:
        def with_others(done: tuple[Ansatz, ...]) -> T:
            if len(done) == len(self.factors):
                return use(Product(done))
            return self.factors[len(done)].accelerated(lambda factor: with_others((*done, factor)))

        return with_others(())

    def start(self, x: Num[Array, "*configuration"]):
        return tuple(factor.start(x) for factor in self.factors)

    def log_ratios(self, cache, x: Num[Array, "*configuration"], moves: Any) -> Inexact[Array, " n_moves"]:
        return _total([f.log_ratios(part, x, moves) for f, part in zip(self.factors, cache, strict=True)])

    def moved(self, cache, x: Num[Array, "*configuration"], move: Any):
        ratios, caches = zip(
            *(f.moved(part, x, move) for f, part in zip(self.factors, cache, strict=True)), strict=True
        )
        return _total(list(ratios)), caches

    def moves_are_cheap(self) -> bool:
        return all(factor.moves_are_cheap() for factor in self.factors)

    def has_one_magnetisation(self) -> bool:
        return any(factor.has_one_magnetisation() for factor in self.factors)

    def can_vanish(self) -> bool:
        return any(factor.can_vanish() for factor in self.factors)

    def symmetries(self) -> Int[np.ndarray, "n_symmetries n_sites"] | None:
        of_all = [factor.symmetries() for factor in self.factors]
        known = [group for group in of_all if group is not None]
        if len(known) < len(of_all):
            return None
        common = set.intersection(*({tuple(g) for g in group.tolist()} for group in known))
        return np.array(sorted(common))

    def zero_taps(self) -> tuple[Inexact[Array, "..."], ...] | None:
        taps = [factor.zero_taps() for factor in self.factors]
        return None if None in taps else tuple(tap for of_factor in taps for tap in of_factor or ())

    def with_taps(self, x: Num[Array, "*configuration"], taps):
        values, inputs, start = [], [], 0
        for factor in self.factors:
            stop = start + len(factor.zero_taps() or ())
            value, its_inputs = factor.with_taps(x, taps[start:stop])
            values.append(value)
            inputs.extend(its_inputs)
            start = stop
        return _total(values), tuple(inputs)


class Phase(MovingAnsatz):
    """ψ = exp(i f(x)), where f is log ψ of a real wave function: the factor that gives a positive one its phase.

    Amplitude and phase as two real machines: G. Torlai et al., Nature Physics 14, 447 (2018).
    """

    angle: Ansatz

    def __call__(self, x: Num[Array, "*configuration"]) -> Inexact[Array, ""]:
        return _times_i(self.angle(x))

    def accelerated(self, use: Callable[[Ansatz], T]) -> T:
        return self.angle.accelerated(lambda angle: use(Phase(angle)))

    def start(self, x: Num[Array, "*configuration"]):
        return self.angle.start(x)

    def moved(self, cache, x: Num[Array, "*configuration"], move: Any):
        ratio, cache = self.angle.moved(cache, x, move)
        return _times_i(ratio), cache

    def log_ratios(self, cache, x: Num[Array, "*configuration"], moves: Any) -> Inexact[Array, " n_moves"]:
        return _times_i(self.angle.log_ratios(cache, x, moves))

    def moves_are_cheap(self) -> bool:
        return self.angle.moves_are_cheap()

    def symmetries(self) -> Int[np.ndarray, "n_symmetries n_sites"] | None:
        return self.angle.symmetries()

    def zero_taps(self) -> tuple[Inexact[Array, "..."], ...] | None:
        return self.angle.zero_taps()

    def with_taps(self, x: Num[Array, "*configuration"], taps):
        value, inputs = self.angle.with_taps(x, taps)
        return _times_i(value), inputs


def _times_i(value: Array) -> Array:
    return jax.lax.complex(jnp.zeros_like(value), value)


def _total(parts: list[Array]) -> Array:
    dtype = jnp.result_type(*parts)
    return sum((part.astype(dtype) for part in parts[1:]), start=parts[0].astype(dtype))

"""What a physicist would frown at: warned about once, in the log and in the result."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from hamiltonians.spin import SpinHamiltonian
from nqs.local_energy import Hamiltonian
from nqs.statistics import LOW_ACCEPTANCE, WINDOW

HIGH_ACCEPTANCE = 0.99
HIGH_RHAT = 1.1
SIGMAS = 5.0
EXPLOSION = 100.0
N_LOOKED_AT = 16


def energy_bound(hamiltonian: Hamiltonian) -> float:
    """What no energy may lie below: the exact energy where there is a closed form, else a crude bound."""
    reference = hamiltonian.reference_energy()
    return hamiltonian.lower_bound() if reference is None else reference


def sign_warnings(hamiltonian: Hamiltonian, is_positive: bool) -> Iterator[tuple[str, str]]:
    """Kind and text if ψ > 0 but some ⟨x|H|x′⟩, of a few random x, is not negative: then the ground state may change
    its sign.
    """
    if not is_positive or not isinstance(hamiltonian, SpinHamiltonian):
        return
    x = jax.vmap(hamiltonian.space.random)(jax.random.split(jax.random.key(0), N_LOOKED_AT))
    amplitudes = np.asarray(jax.vmap(lambda y: hamiltonian.connected(y)[1])(x), complex)
    rounding = 1e-12 * np.max(np.abs(amplitudes), initial=0.0)
    if np.any((np.real(amplitudes) > rounding) | (np.abs(np.imag(amplitudes)) > rounding)):
        yield (
            "positive",
            "psi is positive, but H has off-diagonal elements that are not negative, so that its ground state may "
            "change sign: complex parameters, a phase or pairing can follow that",
        )


def step_warnings(
    history: Mapping[str, Sequence[float]], bound: float, is_direct: bool = False
) -> Iterator[tuple[str, str]]:
    """Kind and text of what is suspicious at the last step of a history; no energy may lie below `bound`.

    Nothing follows from the acceptance if the sampling `is_direct`.
    """
    last = {name: values[-1] for name, values in history.items()}
    yield from _energy_warnings(last, bound, is_direct)
    lowest = float(np.min(history["variance"]))
    if 0 < lowest < last["variance"] / EXPLOSION:
        yield "variance", f"the variance grew to {last['variance']:.3g} from {lowest:.3g}: a smaller learning rate"
    if len(history["step"]) < WINDOW:
        return
    if not is_direct:
        yield from _acceptance_warnings(float(np.mean(history["acceptance"][-WINDOW:])), f"over {WINDOW} steps")
    if last["rhat"] > HIGH_RHAT:
        yield "rhat", f"R-hat {last['rhat']:.3g} over {WINDOW} steps: the chains disagree; more sweeps or other moves"


def measured_warnings(measured: Mapping[str, Any], bound: float, is_direct: bool = False) -> Iterator[tuple[str, str]]:
    """Kind and text of what is suspicious about a measured energy."""
    yield from ((f"measured_{kind}", text) for kind, text in _measured_warnings(measured, bound, is_direct))


def without_measured(warnings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The warnings of a result that are not about its measured energy."""
    return [warning for warning in warnings if not warning["kind"].startswith("measured_")]


def _measured_warnings(measured: Mapping[str, Any], bound: float, is_direct: bool) -> Iterator[tuple[str, str]]:
    yield from _energy_warnings(measured, bound, is_direct)
    if not is_direct:
        yield from _acceptance_warnings(measured["acceptance"], "of the measured energy")
    if measured["rhat"] > HIGH_RHAT:
        yield (
            "rhat",
            f"R-hat {measured['rhat']:.3g} of chains started independently: they disagree about the energy, "
            "whose error is not to be trusted",
        )
    if measured["rhat_order"] > HIGH_RHAT:
        yield (
            "rhat_order",
            f"R-hat {measured['rhat_order']:.3g} of an order parameter of chains started independently: they "
            "rarely or never go from one mode of psi to another. If a symmetry turns the modes into each other the "
            "energy is right, but not what tells them apart; global_flip among the moves, tempering or more "
            "sweeps help",
        )
    if measured.get("round_trips", 1) == 0:
        pairs = " ".join(f"{value:.2g}" for value in measured["swap_acceptance"])
        yield (
            "round_trips",
            f"no replica made a round trip; swap acceptances {pairs}: more replicas or a larger beta_min",
        )


def _energy_warnings(numbers: Mapping[str, float], bound: float, is_direct: bool) -> Iterator[tuple[str, str]]:
    energy, error = numbers["energy"], numbers["energy_error"]
    if math.isfinite(error) and energy < bound - SIGMAS * error - 1e-10 * abs(bound):
        yield (
            "below_bound",
            f"the energy {energy:.8g} lies more than {SIGMAS:g} errors ({error:.2g}) below {bound:.8g}, "
            "which no state can: the samples or the error bar are wrong",
        )
    if (is_direct or numbers["acceptance"] == 0) and numbers["variance"] <= 1e-20 * energy**2:
        moved = "they are drawn directly" if is_direct else "no move is accepted"
        yield "alike", f"all samples are alike: {moved} and the variance is zero"


def _acceptance_warnings(acceptance: float, where: str) -> Iterator[tuple[str, str]]:
    if acceptance < LOW_ACCEPTANCE:
        yield "low_acceptance", f"acceptance {acceptance:.2g} {where}: the chains hardly move"
    if acceptance > HIGH_ACCEPTANCE:
        yield "high_acceptance", f"acceptance {acceptance:.4g} {where}: psi is nearly constant, or moves are too small"

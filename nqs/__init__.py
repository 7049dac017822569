"""Variational Monte Carlo with neural quantum states.

From a script: `nqs.VMC(hamiltonian, ansatz, sampler, optimizer).run(500)`; from a shell: `nqs run FILE`.
The names below are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nqs.ansatz.base import Ansatz as Ansatz
    from nqs.ansatz.base import MovingAnsatz as MovingAnsatz
    from nqs.ansatz.feed_forward import FeedForward as FeedForward
    from nqs.ansatz.flax import FlaxAnsatz as FlaxAnsatz
    from nqs.ansatz.masked_dense import MaskedDense as MaskedDense
    from nqs.ansatz.rbm import RBM as RBM
    from nqs.ansatz.recurrent import Recurrent as Recurrent
    from nqs.build import load as load
    from nqs.driver import VMC as VMC
    from nqs.measure_all import measure_observables as measure_observables
    from nqs.netket_state import to_netket as to_netket
    from nqs.optimizer import Optimizer as Optimizer
    from nqs.optimizer import adam as adam
    from nqs.optimizer import auto as auto
    from nqs.optimizer import from_optax as from_optax
    from nqs.optimizer import minsr as minsr
    from nqs.optimizer import sgd as sgd
    from nqs.optimizer import spring as spring
    from nqs.optimizer import sr as sr
    from nqs.parallel import connect as connect
    from nqs.sampler.direct import Direct as Direct
    from nqs.sampler.metropolis import Metropolis as Metropolis
    from nqs.sampler.moves import Exchange as Exchange
    from nqs.sampler.moves import GlobalFlip as GlobalFlip
    from nqs.sampler.moves import LocalFlip as LocalFlip
    from nqs.sampler.tempering import Tempering as Tempering

_HOMES = {
    "Ansatz": "nqs.ansatz.base",
    "MovingAnsatz": "nqs.ansatz.base",
    "FeedForward": "nqs.ansatz.feed_forward",
    "FlaxAnsatz": "nqs.ansatz.flax",
    "MaskedDense": "nqs.ansatz.masked_dense",
    "RBM": "nqs.ansatz.rbm",
    "Recurrent": "nqs.ansatz.recurrent",
    "load": "nqs.build",
    "VMC": "nqs.driver",
    "measure_observables": "nqs.measure_all",
    "to_netket": "nqs.netket_state",
    "Optimizer": "nqs.optimizer",
    "adam": "nqs.optimizer",
    "auto": "nqs.optimizer",
    "from_optax": "nqs.optimizer",
    "minsr": "nqs.optimizer",
    "sgd": "nqs.optimizer",
    "spring": "nqs.optimizer",
    "sr": "nqs.optimizer",
    "connect": "nqs.parallel",
    "Direct": "nqs.sampler.direct",
    "Metropolis": "nqs.sampler.metropolis",
    "Exchange": "nqs.sampler.moves",
    "GlobalFlip": "nqs.sampler.moves",
    "LocalFlip": "nqs.sampler.moves",
    "Tempering": "nqs.sampler.tempering",
}


def __dir__() -> list[str]:
    return list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nqs' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)

"""The optimisers of a run file."""

from typing import Annotated, Literal

from msgspec import Meta

from nqs.schema_table import Kind, Positive

Arguments = dict[str, float | int | bool | str]
Rate = Annotated[Positive | Arguments, Meta(description="a number, or a table naming an optax schedule")]

SCHEDULES = (
    "constant_schedule",
    "cosine_decay_schedule",
    "exponential_decay",
    "linear_schedule",
    "polynomial_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
)

# Those of optax that need only the gradient and the parameters, and whose state is numbers.
TRANSFORMS = (
    "adaptive_grad_clip",
    "add_decayed_weights",
    "apply_every",
    "clip",
    "clip_by_block_rms",
    "clip_by_global_norm",
    "ema",
    "normalize_by_update_norm",
    "scale",
    "scale_by_adadelta",
    "scale_by_adam",
    "scale_by_adamax",
    "scale_by_adan",
    "scale_by_amsgrad",
    "scale_by_belief",
    "scale_by_distance_over_gradients",
    "scale_by_lbfgs",
    "scale_by_lion",
    "scale_by_novograd",
    "scale_by_optimistic_gradient",
    "scale_by_param_block_norm",
    "scale_by_param_block_rms",
    "scale_by_radam",
    "scale_by_rms",
    "scale_by_rss",
    "scale_by_sign",
    "scale_by_sm3",
    "scale_by_stddev",
    "scale_by_trust_ratio",
    "scale_by_yogi",
    "trace",
)


class Descent(Kind, frozen=True, kw_only=True):
    clip: Annotated[
        Positive | None, Meta(description="local energies within so many mean deviations count in the gradient; all")
    ] = None
    max_norm: Annotated[Positive | None, Meta(description="of a change of all parameters; no limit")] = None
    roll_back: Annotated[
        Annotated[float, Meta(gt=1.0, le=1e12)] | None,
        Meta(
            description="back to the last good parameters, with changes half as large, once the variance is so many "
            "times the lowest one; never"
        ),
    ] = None


class SGD(Descent, tag="sgd", frozen=True, kw_only=True):
    """Gradient descent."""

    learning_rate: Rate = 0.01


class Adam(Descent, tag="adam", frozen=True, kw_only=True):
    """Adam."""

    learning_rate: Rate = 1e-3
    b1: Annotated[Annotated[float, Meta(ge=0, lt=1)], Meta(description="decay of the first moment")] = 0.9
    b2: Annotated[Annotated[float, Meta(ge=0, lt=1)], Meta(description="decay of the second moment")] = 0.999


class Optax(Descent, tag="optax", frozen=True, kw_only=True):
    """Transforms of optax one after the other, each of the gradient by all parameters, then the learning rate."""

    learning_rate: Rate = 0.01
    chain: Annotated[
        tuple[Arguments, ...],
        Meta(min_length=1, description='their names and arguments: [{transform = "scale_by_adam", b1 = 0.8}]'),
    ]


class Natural(Descent, frozen=True, kw_only=True):
    learning_rate: Rate = 0.05
    diagonal_shift: Annotated[
        Positive | Arguments, Meta(description="lambda in (S + lambda)^-1 F, a number or a schedule")
    ] = 1e-2


class Auto(Natural, tag="auto", frozen=True, kw_only=True):
    """The natural gradient by sr or minsr, whichever has the smaller matrix; the run says which."""


class SR(Natural, tag="sr", frozen=True, kw_only=True):
    """Stochastic reconfiguration, the natural gradient, solved in the space of parameters."""

    solver: Annotated[Literal["cholesky", "cg"], Meta(description="dense, or matrix-free")] = "cholesky"


class MinSR(Natural, tag="minsr", frozen=True, kw_only=True):
    """The same step solved in the space of samples: for more parameters than samples."""


class Spring(Natural, tag="spring", frozen=True, kw_only=True):
    """minsr with a memory of the last direction."""

    momentum: Annotated[Annotated[float, Meta(gt=0, lt=1)], Meta(description="mu, how much of it is kept")] = 0.9

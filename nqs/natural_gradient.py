"""Natural gradient: what every solver is given, and stochastic reconfiguration.

The direction is (S + λ)⁻¹ F with S = Re⟨ΔO†ΔO⟩ and F = Re⟨ΔO†ΔE_L⟩, half the energy gradient (S. Sorella, Phys. Rev.
Lett. 80, 4558, 1998). Every solver is collective; the direction is found on rank 0.
"""

import abc
import itertools
from collections.abc import Callable
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from nqs.ansatz.base import Ansatz
from nqs.errors import RunError
from nqs.gradient import log_derivatives, sum_chunks
from nqs.parallel import Communicator
from nqs.parameters import RealView, log_psi_components

RESIDUAL = 1e-10
N_ROW_BLOCKS = 8
# What is added to a matrix that has no Cholesky factor, over its trace: more than its rounding.
ROUNDING = 1e-13


class Batch(NamedTuple):
    """One step as a solver sees it: the samples `x` of this rank with ΔE_L, and ⟨O⟩ and F of the samples of all ranks.

    `n_samples` counts those of all ranks, `chunk_size` bounds how many log-derivatives are held at once.
    """

    step: int
    view: RealView
    theta: Float[np.ndarray, " n_parameters"]
    x: Num[Array, "n *configuration"]
    delta_energies: Float[np.ndarray, "n components"]
    mean_o: Float[np.ndarray, "components n_parameters"]
    force: Float[np.ndarray, " n_parameters"]
    n_samples: int
    chunk_size: int


class NaturalGradient(eqx.Module):
    """λ is `diagonal_shift`, a number or a schedule of the step.

    With μ = `momentum` the direction is φ = (S + λ)⁻¹ (F + λμφ′), φ′ that of the step before: what the samples do not
    see is kept for a while (SPRING: G. Goldshlager, N. Abrahamsen and L. Lin, J. Comput. Phys. 516, 113351, 2024).
    """

    diagonal_shift: eqx.AbstractVar[float | Callable[[int], float]]
    momentum: eqx.AbstractVar[float]

    @abc.abstractmethod
    def direction(
        self, communicator: Communicator, batch: Batch, last: Float[np.ndarray, " n_parameters"] | None
    ) -> Float[np.ndarray, " n_parameters"] | None:
        """The direction on rank 0, None elsewhere; `last` is the one before on rank 0, for a solver that keeps it.

        Raises `RunError` if the solver fails.
        """

    @abc.abstractmethod
    def memory(self, ansatz: Ansatz, x: jax.ShapeDtypeStruct, n_local: int, n_samples: int, chunk_size: int) -> int:
        """The bytes that rank 0 holds for it at most, beside the arguments; `x` is the shape of one configuration."""

    @property
    def keeps_direction(self) -> bool:
        """Whether the last direction is part of the state."""
        return self.momentum > 0

    def shift(self, step: int) -> float:
        """λ at a step."""
        return float(self.diagonal_shift(step)) if callable(self.diagonal_shift) else self.diagonal_shift


class StochasticReconfiguration(NaturalGradient):
    """`solver` is `"cholesky"`, which builds the n_parameters × n_parameters matrix S (one more reduction of its size),
    or `"cg"`, which only multiplies with it (one broadcast and one reduction of n_parameters numbers an iteration, to a
    relative residual of 1e-10).
    """

    diagonal_shift: float | Callable[[int], float] = eqx.field(static=True)
    solver: Literal["cholesky", "cg"] = eqx.field(static=True, default="cholesky")
    momentum: float = eqx.field(static=True, default=0.0)

    def direction(self, communicator: Communicator, batch: Batch, last=None):
        """(S + λ)⁻¹ (F + λμφ′); where S + λ has no Cholesky factor, λ is raised to the rounding of S."""
        carried = np.zeros_like(batch.force) if last is None else self.momentum * last
        if self.solver == "cg":
            force = batch.force + self.shift(batch.step) * carried
            return self._conjugate_gradients(communicator, batch._replace(force=force))
        local = gram_sum(batch.view, batch.theta, batch.x, batch.mean_o, batch.chunk_size)
        total = communicator.sum_on_root(np.asarray(local))
        if total is None:
            return None
        arguments = total, batch.force, carried, self.shift(batch.step), batch.n_samples
        with communicator.alone(len(batch.force)):
            found = np.asarray(solve(*arguments, 0.0))
            return found if np.all(np.isfinite(found)) else np.asarray(solve(*arguments, ROUNDING))

    def memory(self, ansatz: Ansatz, x: jax.ShapeDtypeStruct, n_local: int, n_samples: int, chunk_size: int) -> int:
        """The matrix S, its sum over ranks and its factor, and two chunks of log-derivatives."""
        if self.solver == "cg":
            return 0
        components, n_parameters = len(jax.eval_shape(log_psi_components, ansatz, x)), RealView(ansatz).size
        return 8 * (3 * n_parameters**2 + 2 * min(n_local, chunk_size) * components * n_parameters)

    def _conjugate_gradients(self, communicator: Communicator, batch: Batch):
        """Rank 0 iterates and asks the others for products until it sends an empty order."""
        force, shift = batch.force, self.shift(batch.step)
        stop = np.zeros(len(force) + 1)

        def product(order: np.ndarray) -> np.ndarray | None:
            vector = order[1:]
            local = gram_product(batch.view, batch.theta, batch.x, batch.mean_o, vector, batch.chunk_size)
            total = communicator.sum_on_root(np.asarray(local))
            return None if total is None else total / batch.n_samples + shift * vector

        def matvec(vector: np.ndarray) -> np.ndarray | None:
            return product(communicator.broadcast(np.append(1.0, vector)))

        direction, failed = None, 0
        if communicator.is_root:
            from scipy.sparse.linalg import LinearOperator, cg

            shape = (len(force), len(force))
            operator = LinearOperator(shape, matvec=matvec, dtype=np.float64)  # pyright: ignore[reportCallIssue]  # incomplete stubs
            direction, failed = cg(operator, force, rtol=RESIDUAL, atol=0.0)
            communicator.broadcast(stop)
        else:
            while (order := communicator.broadcast(stop))[0] != 0:
                product(order)
        failed = communicator.broadcast_object(failed)
        if failed:
            raise RunError(
                f"step {batch.step}: conjugate gradients did not reach a residual of {RESIDUAL:g} in {failed} "
                "iterations: raise optimizer.diagonal_shift or use another optimizer.kind or solver"
            )
        return direction


@eqx.filter_jit
def gram_sum(view: RealView, theta, x, mean_o, chunk_size: int) -> Float[Array, " packed"]:
    """Σ_x Re ΔO†ΔO over the samples of this rank: of a symmetric matrix only row blocks up to the diagonal block."""

    def chunk(x):
        delta = (log_derivatives(view, theta, x) - mean_o).reshape(-1, len(theta))
        return [delta[:, a:b].T @ delta[:, :b] for a, b in _row_blocks(len(theta))]

    return jnp.concatenate([block.ravel() for block in sum_chunks(chunk, (x,), chunk_size)])


def unpack_gram(packed: Float[Array, " packed"], n_parameters: int) -> Float[Array, "n_parameters n_parameters"]:
    """The lower triangle of the matrix of `gram_sum`; nothing above the diagonal is to be used."""
    rows, start = [], 0
    for a, b in _row_blocks(n_parameters):
        block = packed[start : start + (b - a) * b].reshape(b - a, b)
        rows.append(jnp.pad(block, ((0, 0), (0, n_parameters - b))))
        start += (b - a) * b
    return jnp.concatenate(rows)


def _row_blocks(n: int) -> list[tuple[int, int]]:
    bounds = np.linspace(0, n, min(n, N_ROW_BLOCKS) + 1).astype(int).tolist()
    return list(itertools.pairwise(bounds))


@eqx.filter_jit
def gram_product(view: RealView, theta, x, mean_o, vector, chunk_size: int) -> Float[Array, " n_parameters"]:
    """Σ_x Re ΔO†(ΔO v) over the samples of this rank, without O."""

    def chunk(x):
        def log_psi(t):
            ansatz = view.build(t)
            return jax.vmap(lambda y: log_psi_components(ansatz, y))(x)

        o_v = jax.jvp(log_psi, (theta,), (vector,))[1]
        delta = o_v - mean_o @ vector
        return jax.vjp(log_psi, theta)[1](delta)[0] - delta.sum(axis=0) @ mean_o

    return sum_chunks(chunk, (x,), chunk_size)


@jax.jit
def solve(packed, force, carried, diagonal_shift, n_samples, least) -> Float[Array, " n_parameters"]:
    """(S + λ)⁻¹ (F + λ·carried) with S = gram/n by Cholesky, λ no less than `least` times the trace of S if that is
    positive.
    """
    matrix = unpack_gram(packed / n_samples, len(force))
    raised = jnp.maximum(diagonal_shift, least * jnp.trace(matrix))
    shift = jnp.where(least > 0, raised, diagonal_shift)
    factor = jax.lax.linalg.cholesky(matrix + shift * jnp.eye(len(force)), symmetrize_input=False)
    return jax.scipy.linalg.cho_solve((factor, True), force + shift * carried)

"""The natural gradient in the space of samples: minSR and SPRING."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from nqs.ansatz.base import Ansatz
from nqs.errors import RunError
from nqs.gradient import sum_chunks
from nqs.gram import dense_factors, gram_rows, rows_at_once
from nqs.natural_gradient import ROUNDING, Batch, NaturalGradient
from nqs.parallel import Communicator
from nqs.parameters import RealView, log_psi_components


class MinSR(NaturalGradient):
    """φ = μφ′ + ΔOᵀ (T + λ)⁻¹ (ΔE_L − ΔO μφ′)/n with T = ΔO ΔOᵀ/n, where φ′ is the direction of the step before.

    With μ = `momentum` = 0 this is minSR (A. Chen and M. Heyl, Nat. Phys. 20, 1476, 2024), the same direction as
    (S + λ)⁻¹ F; otherwise SPRING.
    For a complex ψ the rows of O and E_L are real and imaginary parts, stacked. Where O Oᵀ/n + λ has no Cholesky
    factor, λ is raised to the rounding of O Oᵀ/n.

    Each rank holds some rows of O Oᵀ, rank 0 all. Beyond the gathering of the factors of `gram_rows`, or there the
    broadcast of n × n_parameters log-derivatives for each block of rows, a step takes a Gather of rows, a broadcast of
    n numbers and a reduction of n_parameters; with momentum one more of each.
    """

    diagonal_shift: float | Callable[[int], float] = eqx.field(static=True)
    momentum: float = eqx.field(static=True, default=0.0)

    def direction(self, communicator: Communicator, batch: Batch, last=None):
        """φ on rank 0."""
        carried = None
        residual = batch.delta_energies
        if self.keeps_direction:
            carried = self.momentum * communicator.broadcast(np.zeros(batch.view.size) if last is None else last)
            along = delta_o_times(batch.view, batch.theta, batch.x, batch.mean_o, carried, batch.chunk_size)
            residual = residual - np.asarray(along)
        weights = self._weights(communicator, batch, residual, 0.0)
        if not np.all(np.isfinite(weights)):
            weights = self._weights(communicator, batch, residual, ROUNDING)
        if not np.all(np.isfinite(weights)):
            raise RunError(
                f"step {batch.step}: minSR: O O^T/n + lambda has no factor: raise "
                "optimizer.diagonal_shift, unless log-derivatives are not finite"
            )
        start = sum(communicator.gather_objects(len(residual))[: communicator.rank])
        mine = weights[start : start + len(residual)]
        total = communicator.sum_on_root(
            np.asarray(o_transposed_times(batch.view, batch.theta, batch.x, jnp.asarray(mine), batch.chunk_size))
        )
        return total if total is None or carried is None else total + carried

    def _weights(
        self, communicator: Communicator, batch: Batch, residual: Float[np.ndarray, "n components"], least: float
    ) -> Float[np.ndarray, "n_samples components"]:
        """w of all samples on every rank, with λ no less than so much of the trace of O Oᵀ/n if that is positive."""
        rows = communicator.gather(gram_rows(communicator, batch.view, batch.theta, batch.x, batch.chunk_size))
        residuals = communicator.gather(residual)
        weights = np.zeros((batch.n_samples, residual.shape[1]))
        if rows is not None and residuals is not None:
            shift = self.shift(batch.step)
            shift = max(shift, least * float(np.trace(rows)) / batch.n_samples) if least else shift
            with communicator.alone(len(rows)):
                weights = solve_centred(rows, residuals, shift)
        return communicator.broadcast(weights)

    def memory(self, ansatz: Ansatz, x: jax.ShapeDtypeStruct, n_local: int, n_samples: int, chunk_size: int) -> int:
        """The matrix, rows of no more than its samples, and factors of all samples or four blocks of derivatives."""
        components, n_parameters = len(jax.eval_shape(log_psi_components, ansatz, x)), RealView(ansatz).size
        matrices = (n_local + n_samples) * n_samples * components**2
        if ansatz.zero_taps() is None:
            samples = 4 * rows_at_once(n_local, components, n_parameters, chunk_size)
            return 8 * (matrices + samples * components * n_parameters)
        factors = jax.tree.leaves(jax.eval_shape(dense_factors, ansatz, x))
        numbers = sum(factor.size * (1 + jnp.iscomplexobj(factor)) for factor in factors)
        return 8 * (matrices + 2 * (n_local + n_samples) * numbers)


def solve_centred(
    gram: Float[np.ndarray, "rows rows"], residuals: Float[np.ndarray, "n components"], diagonal_shift: float
) -> Float[np.ndarray, "n components"]:
    """w = (T + λ)⁻¹ Hr/n with T = H K H/n; H takes the mean of each component off. Overwrites `gram` = K = O Oᵀ, of
    which it uses the diagonal and what is on the right of it.

    H w = w, so that (K + nλ) w = Hr + Σ_c μ_c 1_c, where μ makes the mean of each component of w zero: K is never
    centred. Not a number if K + nλ is not positive definite.
    """
    n, components = residuals.shape
    ones = np.tile(np.eye(components), (n, 1))
    right = np.column_stack([(residuals - residuals.mean(axis=0)).ravel(), ones])
    gram.flat[:: len(gram) + 1] += n * diagonal_shift
    solved = _solved(gram, right)
    weights, of_ones = solved[:, 0], solved[:, 1:]
    if not np.all(np.isfinite(solved)):
        return np.full_like(residuals, np.nan)
    of_components = solved.reshape(n, components, -1).sum(axis=0)
    weights = weights - of_ones @ np.linalg.solve(of_components[:, 1:], of_components[:, 0])
    return weights.reshape(n, components)


def _solved(
    matrix: Float[np.ndarray, "rows rows"], right: Float[np.ndarray, "rows columns"]
) -> Float[np.ndarray, "rows columns"]:
    """The solutions for a symmetric matrix by its upper triangle; a processor overwrites it: its transpose is the order
    of LAPACK.
    """
    if jax.default_backend() != "cpu":
        factor = jax.scipy.linalg.cho_factor(jnp.asarray(matrix), lower=False)
        return np.asarray(jax.scipy.linalg.cho_solve(factor, jnp.asarray(right)))
    try:
        factor = cho_factor(matrix.T, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return np.full_like(right, np.nan)
    return cho_solve(factor, right, check_finite=False)


@eqx.filter_jit
def o_transposed_times(view: RealView, theta, x, weights: Float[Array, "n components"], chunk_size: int):
    """Σ_xc O_xc w_xc over the samples of this rank."""

    def chunk(x, weights):
        def log_psi(t):
            ansatz = view.build(t)
            return jax.vmap(lambda y: log_psi_components(ansatz, y))(x)

        return jax.vjp(log_psi, theta)[1](weights)[0]

    return sum_chunks(chunk, (x, weights), chunk_size)


@eqx.filter_jit
def delta_o_times(view: RealView, theta, x, mean_o, vector, chunk_size: int) -> Float[Array, "n components"]:
    """ΔO v for the samples of this rank."""

    def one(y):
        return jax.jvp(lambda t: log_psi_components(view.build(t), y), (theta,), (vector,))[1]

    return jax.lax.map(one, x, batch_size=min(chunk_size, len(x))) - mean_o @ vector

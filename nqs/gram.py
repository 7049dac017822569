"""Rows of the Gram matrix O Oᵀ of the log-derivatives, which minSR solves in the place of S = OᵀO.

A row is a sample and a component (the real or the imaginary part) of log ψ. With dense layers alone the matrix O
itself, samples × parameters, is never made: a layer z = aW gives O = a ⊗ g with g = ∂log ψ/∂z, and so Re[(A A†) ∘ (G
G†)]. Otherwise it is made in blocks.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Num
from scipy.linalg import get_blas_funcs

from nqs.ansatz.base import Ansatz
from nqs.chunks import chunks
from nqs.gradient import log_derivatives
from nqs.parallel import Communicator
from nqs.parameters import RealView, components_of, log_psi_components

# The memory of a block of log-derivatives, in bytes: with several, each is made anew for others.
BLOCK = 1 << 28
# Samples whose rows are products of factors at a time: large enough for the products of matrices.
AT_ONCE = 128


def gram_rows(
    communicator: Communicator,
    view: RealView,
    theta: Float[np.ndarray, " n_parameters"],
    x: Num[Array, "n *configuration"],
    chunk_size: int,
) -> Float[np.ndarray, "rows columns"]:
    """Consecutive rows, from rank to rank, and the columns of all samples in the order of the ranks; collective.

    Nothing on the left of the diagonal is to be used. With dense layers an Allgather of each of their factors;
    otherwise each rank makes the log-derivatives of its own samples, and blocks of them are broadcast.
    """
    ansatz = view.build(jnp.asarray(theta))
    if ansatz.zero_taps() is None:
        return _rows_by_blocks(communicator, view, jnp.asarray(theta), x, chunk_size)
    local = jax.tree.map(np.asarray, _factors(ansatz, x, chunk_size))
    everywhere = jax.tree.map(communicator.all_gather, local)
    if jax.default_backend() != "cpu":
        return np.array(_rows_on_device(local, everywhere))  # one that may be written
    n, rank, size = len(everywhere[0][0]), communicator.rank, communicator.size
    return _rows_of_factors(everywhere, first_row(n, rank, size), first_row(n, rank + 1, size))


def first_row(n: int, rank: int, size: int) -> int:
    """That of a rank, if each has the same area on the right of the diagonal of a square of `n` rows."""
    return round(n * (1 - math.sqrt(1 - rank / size)))


def rows_at_once(n_local: int, components: int, n_parameters: int, chunk_size: int) -> int:
    """The number of samples whose log-derivatives make a block: whole chunks, one or what `BLOCK` holds."""
    chunks = -(-n_local // chunk_size)
    most = max(1, BLOCK // (8 * components * n_parameters * chunk_size))
    n_blocks = -(-chunks // most)
    return min(n_local, -(-chunks // n_blocks) * chunk_size)


def dense_factors(ansatz: Ansatz, x: Num[Array, "*configuration"]) -> list[tuple[Array, Array]]:
    """(a, g) of each dense layer: the input `(n_in,)` and the derivatives of each component, `(components, n_out)`."""

    def components(taps):
        log_psi, inputs = ansatz.with_taps(x, taps)
        return components_of(log_psi), inputs

    gradients, inputs = jax.jacrev(components, has_aux=True)(ansatz.zero_taps())
    factors = list(zip(inputs, gradients, strict=True))
    held = sum(a.size * g.shape[-1] * (1 + jnp.iscomplexobj(g)) for a, g in factors)
    if held != RealView(ansatz).size:
        raise TypeError(
            f"{type(ansatz).__name__}.zero_taps: its layers hold {held} of {RealView(ansatz).size} parameters"
        )
    return factors


@eqx.filter_jit
def _factors(ansatz: Ansatz, x: Num[Array, "n *configuration"], chunk_size: int) -> list[tuple[Array, Array]]:
    """`dense_factors` of all configurations in double precision, spins in single: sums of their products are exact."""
    factors = jax.lax.map(lambda y: dense_factors(ansatz, y), x, batch_size=min(chunk_size, len(x)))

    def precise(leaf: Num[Array, "*shape"]) -> Inexact[Array, "*shape"]:
        return leaf.astype(jnp.float32 if leaf.dtype == jnp.int8 else jnp.promote_types(leaf.dtype, jnp.float64))

    return jax.tree.map(precise, factors)


def _rows_of_factors(factors: list[tuple], first: int, last: int) -> Float[np.ndarray, "rows columns"]:
    """The rows of the samples from number `first` to before `last`, of blocks of them only the columns from their first
    on; the rest is not set.
    """
    n, components = factors[0][1].shape[:2]
    matrix = np.empty((last - first, components, n, components))
    for start in range(first, last, AT_ONCE):
        stop = min(start + AT_ONCE, last)
        block = matrix[start - first : stop - first, :, start:]
        for number, (a, g) in enumerate(factors):
            _put_layer(block, a[start:stop], g[start:stop], a[start:], g[start:], adds=number > 0)
    return matrix.reshape(components * (last - first), components * n)


@jax.jit
def _rows_on_device(local: list[tuple], everywhere: list[tuple]) -> Float[Array, "rows columns"]:
    def rows(factors):
        total = jnp.zeros(())
        for (a, g), (a_all, g_all) in zip(factors, everywhere, strict=True):
            total += jnp.real((a_all.conj() @ a)[:, None] * jnp.einsum("ko,nlo->knl", g, g_all.conj()))
        return total.reshape(len(total), -1)

    matrix = jax.lax.map(rows, local, batch_size=min(AT_ONCE, len(local[0][0])))
    return matrix.reshape(-1, matrix.shape[-1])


def _put_layer(block: Float[np.ndarray, "n components m components"], a, g, a_all, g_all, *, adds: bool) -> None:
    """Re[(A A†) ∘ (G G†)] of one layer, into the block or added to it."""
    n_out = g.shape[-1]
    outputs = _product(g.reshape(-1, n_out), g_all.reshape(-1, n_out)).reshape(block.shape)
    inputs = _product(a, a_all)[:, None, :, None]
    if not adds and not np.iscomplexobj(outputs):
        np.multiply(outputs, inputs, out=block)
        return
    np.add(block if adds else 0.0, np.real(outputs * inputs), out=block)


def _rows_by_blocks(
    communicator: Communicator, view: RealView, theta, x, chunk_size: int
) -> Float[np.ndarray, "rows columns"]:
    """No derivative is computed on two ranks; those of this rank's blocks are multiplied by those of others."""
    components = jax.eval_shape(lambda y: log_psi_components(view.build(theta), y), x[0]).size
    lengths = communicator.gather_objects(len(x))
    size = rows_at_once(max(lengths), components, view.size, chunk_size)
    firsts = components * np.cumsum([0, *lengths])
    matrix = np.empty((components * len(x), firsts[-1]))
    for i in range(0, max(lengths), size):
        rows = _derivatives(view, theta, x[i : i + size], chunk_size)
        part = matrix[components * i : components * i + len(rows)]
        for j in range(0 if communicator.size > 1 else i, max(lengths), size):
            own = rows if j == i else _derivatives(view, theta, x[j : j + size], chunk_size)
            n_columns = [components * max(0, min(n - j, size)) for n in lengths]
            _put_columns(communicator, part, rows, own, n_columns, firsts + components * j)
            del own  # before the next ones are made
    return matrix


def _put_columns(communicator: Communicator, part, rows, own, n_columns: list[int], firsts) -> None:
    """Into `part`, from these places on, the products of `rows` with the blocks of all ranks; collective."""
    for rank, n in enumerate(n_columns):
        columns = own
        if communicator.size > 1:
            is_own = rank == communicator.rank
            sent = communicator.broadcast(np.asarray(own) if is_own else np.empty((n, own.shape[1])), rank)
            columns = own if is_own else sent
        if rank >= communicator.rank:
            part[:, firsts[rank] : firsts[rank] + n] = _product(rows, columns)


def _product(rows, columns) -> Num[np.ndarray, "rows columns"]:
    """rows · columns†, of a real matrix with itself only from the diagonal on.

    On a processor by the library that factors the matrix: the threads of another would keep it from the cores a while.
    """
    if jax.default_backend() != "cpu":
        return np.array(jnp.asarray(rows) @ jnp.asarray(columns).conj().T)
    if columns is rows and len(rows) and not np.iscomplexobj(rows):
        (syrk,) = get_blas_funcs(("syrk",), (np.asarray(rows),))
        return syrk(1.0, np.asarray(rows).T, trans=1, lower=1).T
    rows, columns = np.asarray(rows), np.asarray(columns)
    (gemm,) = get_blas_funcs(("gemm",), (rows, columns))
    return gemm(1.0, columns.T, rows.T, trans_a=2).T


@eqx.filter_jit
def _derivatives(view: RealView, theta, x, chunk_size: int) -> Float[Array, "rows n_parameters"]:
    if len(x) == 0:
        return jnp.zeros((0, view.size))
    o = jax.lax.map(lambda chunk: log_derivatives(view, theta, chunk), chunks(x, chunk_size))
    return o.reshape(-1, *o.shape[2:])[: len(x)].reshape(-1, view.size)

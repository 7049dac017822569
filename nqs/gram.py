"""Rows of the Gram matrix O Oᵀ of the log-derivatives, which minSR solves in the place of S = OᵀO.

A row is a sample and a component (the real or the imaginary part) of log ψ. The matrix O itself, samples × parameters,
is never whole: a dense layer z = aW gives O = a ⊗ g with g = ∂log ψ/∂z, and so Re[(A A†) ∘ (G G†)].
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from nqs.ansatz.base import Ansatz
from nqs.chunks import chunks
from nqs.gradient import log_derivatives
from nqs.parallel import Communicator
from nqs.parameters import RealView, components_of, log_psi_components

# The memory of a block of log-derivatives, in bytes: with several, each is made anew for each of the others.
BLOCK = 1 << 28
# Samples whose rows are products of factors at a time: large enough for the products of matrices.
AT_ONCE = 256


def gram_rows(
    communicator: Communicator,
    view: RealView,
    theta: Float[np.ndarray, " n_parameters"],
    x: Num[Array, "n *configuration"],
    chunk_size: int,
) -> Float[np.ndarray, "rows columns"]:
    """The rows of this rank's samples, the columns of all samples in the order of the ranks; collective.

    With dense layers an Allgather of each of their factors; otherwise each rank makes the log-derivatives of its own
    samples, and blocks of them are broadcast.
    """
    ansatz = view.build(jnp.asarray(theta))
    if ansatz.zero_taps() is None:
        return _rows_by_blocks(communicator, view, jnp.asarray(theta), x, chunk_size)
    local = _factors(ansatz, x, chunk_size)
    everywhere = local
    if communicator.size > 1:
        everywhere = jax.tree.map(lambda leaf: communicator.all_gather(np.asarray(leaf)), local)
    return np.asarray(_rows_of_factors(local, everywhere))


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
    """`dense_factors` of all configurations, in double precision."""
    factors = jax.lax.map(lambda y: dense_factors(ansatz, y), x, batch_size=min(chunk_size, len(x)))
    return jax.tree.map(lambda leaf: leaf.astype(jnp.promote_types(leaf.dtype, float)), factors)


@jax.jit
def _rows_of_factors(local: list[tuple[Array, Array]], everywhere: list[tuple[Array, Array]]):
    def rows(factors):
        total = jnp.zeros(())
        for (a, g), (a_all, g_all) in zip(factors, everywhere, strict=True):
            outputs = jnp.einsum("ko,nlo->knl", g, g_all.conj())
            total += jnp.real((a_all.conj() @ a)[:, None] * outputs)
        return total.reshape(len(total), -1)

    matrix = jax.lax.map(rows, local, batch_size=min(AT_ONCE, len(local[0][0])))
    return matrix.reshape(-1, matrix.shape[-1])


def _rows_by_blocks(
    communicator: Communicator, view: RealView, theta, x, chunk_size: int
) -> Float[np.ndarray, "rows columns"]:
    """No derivative is computed on two ranks; those of this rank's blocks are products with those of every block."""
    components = jax.eval_shape(lambda y: log_psi_components(view.build(theta), y), x[0]).size
    lengths = communicator.gather_objects(len(x))
    size = rows_at_once(max(lengths), components, view.size, chunk_size)
    firsts = components * np.cumsum([0, *lengths])
    matrix = np.empty((components * len(x), firsts[-1]))
    for i in range(0, max(lengths), size):
        rows = _derivatives(view, theta, x[i : i + size], chunk_size)
        part = matrix[components * i : components * i + len(rows)]
        for j in range(0, max(lengths), size):
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
            columns = communicator.broadcast(np.asarray(own) if is_own else np.empty((n, own.shape[1])), rank)
        part[:, firsts[rank] : firsts[rank] + n] = _product(rows, columns)


def _product(rows, columns) -> Float[np.ndarray, "rows columns"]:
    """On a processor by NumPy, where the product of a matrix with its own transpose costs half."""
    if jax.default_backend() == "cpu":
        return np.asarray(rows) @ np.asarray(columns).T
    return np.asarray(jnp.asarray(rows) @ jnp.asarray(columns).T)


@eqx.filter_jit
def _derivatives(view: RealView, theta, x, chunk_size: int) -> Float[Array, "rows n_parameters"]:
    if len(x) == 0:
        return jnp.zeros((0, view.size))
    o = jax.lax.map(lambda chunk: log_derivatives(view, theta, chunk), chunks(x, chunk_size))
    return o.reshape(-1, *o.shape[2:])[: len(x)].reshape(-1, view.size)

"""The start of JAX, whose environment may be wrong."""

from nqs.errors import InputError


def start_jax() -> None:
    """Import JAX and look for its devices.

    Raises `InputError` if its environment variables are wrong or there is nothing to compute on.
    """
    try:
        import jax

        jax.devices()
    except (RuntimeError, ValueError) as error:
        raise InputError(f"JAX does not start: {error}") from error

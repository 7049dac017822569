"""Settings of the whole test session."""

import jax

# Most of the time goes into compiling functions that run once or twice, on a few sites.
jax.config.update("jax_disable_most_optimizations", True)

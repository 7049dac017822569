"""Settings of the whole test session."""

import gc
import os
import shutil
import subprocess
import sys
import tempfile

import jax

LONG_FILES = (
    "test_faults",
    "test_z_scores",
    "test_mpi",
    "test_files_under_fire",
    "test_disk_faults",
    "test_not_finite",
    "test_tempering",
    "test_observables",
    "test_renyi",
    "test_driver",
    "test_sampler_keys",
    "test_natural_gradient",
    "test_readme",
)

# Most of the time goes into compiling functions that run once or twice, on a few sites; the same holds for the
# programs that the tests start.
QUICK_TO_COMPILE = "--xla_cpu_parallel_codegen_split_count=1 --xla_cpu_use_fusion_emitters=false"
jax.config.update("jax_disable_most_optimizations", True)
# Collections go through all that JAX holds: they took 8 % of the time of three files of tests.
gc.set_threshold(100_000, 50, 1000)


def are_known(flags: str) -> bool:
    """Whether this XLA knows these flags; it aborts at one that it does not know."""
    command = [sys.executable, "-c", "import jax; jax.devices()"]
    return subprocess.run(command, env={**os.environ, "XLA_FLAGS": flags}, capture_output=True).returncode == 0


def pytest_configure(config):
    """Programs that the tests start share what they compile."""
    if not hasattr(config, "workerinput"):
        config.made_cache = "JAX_COMPILATION_CACHE_DIR" not in os.environ
        if config.made_cache:
            os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="nqs-tests-")
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
        os.environ.setdefault("NPROC", "1")  # as the programs set it themselves
        if "XLA_FLAGS" not in os.environ and are_known(QUICK_TO_COMPILE):
            os.environ["XLA_FLAGS"] = QUICK_TO_COMPILE
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


def pytest_collection_modifyitems(items):
    """The longest files first, so that none of them is left to one worker at the end."""
    items.sort(key=lambda item: LONG_FILES.index(item.path.stem) if item.path.stem in LONG_FILES else len(LONG_FILES))


def pytest_unconfigure(config):
    if getattr(config, "made_cache", False):
        shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)

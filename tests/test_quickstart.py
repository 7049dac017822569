"""The quickstart reaches what the README says of it."""

from pathlib import Path

import pytest
from launching import nqs

from nqs import results


@pytest.mark.slow
def test_the_quickstart(tmp_path):
    """E − E0 > −3σ, and even E + 3σ is within 5e-4 of the exact energy."""
    run_file = Path(__file__).parents[1] / "runs" / "quickstart.toml"
    done = nqs("run", run_file, ranks=2, cwd=tmp_path, JAX_DISABLE_MOST_OPTIMIZATIONS="0")
    assert done.returncode == 0, done.stderr
    measured = results.read(tmp_path / "results" / "quickstart.h5").measured
    distance, error = measured["energy"] - measured["reference"], measured["energy_error"]
    assert distance > -3 * error
    assert distance + 3 * error < 5e-4 * abs(measured["reference"])

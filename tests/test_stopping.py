"""Stop files: one that was meant for an earlier run is removed, a fresh one counts."""

import os
import time

import pytest

from nqs.stopping import STALE_SECONDS, Signals, Watch
from nqs.writer import Writer


def test_the_stop_file_has_the_name_that_the_user_gave(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "x.h5").symlink_to(tmp_path / "elsewhere" / "y.h5")
    with Writer(tmp_path / "x.h5") as writer:
        assert writer.stop_file == tmp_path / "x.h5.stop"


@pytest.mark.parametrize(("age", "counts"), [(STALE_SECONDS + 60, False), (5, True)])
def test_a_stop_file_counts_unless_it_is_old_when_the_run_begins(tmp_path, monkeypatch, age, counts):
    monkeypatch.setattr("nqs.stopping.LOOK_SECONDS", -1.0)
    stop_file = tmp_path / "x.h5.stop"
    stop_file.touch()
    os.utime(stop_file, (time.time() - age,) * 2)
    watch = Watch(Signals(), stop_file, 60.0, None, is_root=True)
    assert stop_file.exists() == counts
    assert watch.wishes()[0] == counts
    watch.ended(is_early=counts)
    assert not stop_file.exists()

"""Be a user whom permissions bind: root, who runs many containers, may do everything."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[Path]:
    """Be such a user inside this block, in a directory of its own."""
    with tempfile.TemporaryDirectory() as home:
        if os.geteuid() != 0:
            yield Path(home)
            return
        os.chown(home, _NOBODY, _NOBODY)
        os.seteuid(_NOBODY)
        try:
            yield Path(home)
        finally:
            os.seteuid(0)

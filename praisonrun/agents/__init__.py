"""From agents.yaml to agents: reading, checking, reloading, and what a child is started with."""

from __future__ import annotations

from .catalog import Catalog
from .launch import (
    argv,
    child_env,
    install_argv,
    missing_env,
    no_start,
    preflight,
    program,
    user_environ,
    without_ours,
)

__all__ = [
    "Catalog",
    "argv",
    "child_env",
    "install_argv",
    "missing_env",
    "no_start",
    "preflight",
    "program",
    "user_environ",
    "without_ours",
]

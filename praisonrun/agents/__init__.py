"""From agents.yaml to agents: reading, checking, reloading, and what a child is started with."""

from __future__ import annotations

from .catalog import Catalog
from .environment import child_env, missing_env
from .launch import argv, install_argv, preflight, program

__all__ = [
    "Catalog",
    "argv",
    "child_env",
    "install_argv",
    "missing_env",
    "preflight",
    "program",
]

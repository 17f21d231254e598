"""agents.yaml becomes agents: read, checked, kept fresh, and turned into what a child is started with."""

from __future__ import annotations

from .catalog import Catalog
from .check import AgentReport, Report, check
from .launch import argv, child_env, install_argv, missing_env, preflight, program

__all__ = [
    "AgentReport",
    "Catalog",
    "Report",
    "argv",
    "check",
    "child_env",
    "install_argv",
    "missing_env",
    "preflight",
    "program",
]

"""The command line. `commands` has the flags; each command's module is imported when it is called."""

from .commands import app, main

__all__ = ["app", "main"]

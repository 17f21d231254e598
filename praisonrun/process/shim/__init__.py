"""The process that owns an agent; `main` is its loop. Standard library only: every fork pays for it."""

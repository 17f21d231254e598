"""One file per run: how it is written, read, and understood."""

"""Everything that keeps a run going."""

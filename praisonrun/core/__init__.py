"""Values and decisions. Imports nothing of ours."""

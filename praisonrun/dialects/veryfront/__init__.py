"""Veryfront durable runs: `/runs`."""

"""praisonrun: a durable local agent runner."""

__version__ = "0.2.0.dev4"

"""praisonrun: a durable local agent runner."""

__version__ = "0.1.0"

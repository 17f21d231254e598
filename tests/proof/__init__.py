"""Long proofs of what praisonrun promises: run them with `pytest -m proof`."""

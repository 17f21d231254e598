"""PraisonAI jobs: `/api/v1/runs`."""

"""Nullspace agent deployments: `/v1/agent-deployments`."""

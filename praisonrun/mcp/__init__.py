"""The tools and resources that a model has of praisonrun by MCP. Only `server` imports the MCP SDK."""

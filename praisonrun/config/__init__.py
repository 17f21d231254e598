"""Settings, secret files, and where a running server is found."""

"""What only services need: ports, probes, readiness."""

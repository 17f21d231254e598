"""Idempotency keys as every dialect reads them."""

from __future__ import annotations

KEY = "^[!-~]{1,255}$"
"""The pattern of an Idempotency-Key: visible ASCII."""

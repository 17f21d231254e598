"""Webhooks: deliveries until received or given up. The engine's side; what a body says is a dialect's.

`policy` which receivers, `schedule` when again, `slots` who next: pure. `resolver`, `signing`, `sender`: one
attempt. `worker`: all of them.
"""

from .policy import Own, reach_of
from .resolver import addresses_of
from .sender import Sender
from .signing import Signer
from .worker import Compose, Webhooks

__all__ = ["Compose", "Own", "Sender", "Signer", "Webhooks", "addresses_of", "reach_of"]

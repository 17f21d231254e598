"""Webhooks: every delivery is attempted until it is received or given up. Dialects write the bodies.

Pure: `policy` says which receivers are allowed, `schedule` when to try again and which delivery is next.
`resolver`, `signing` and `sender` make one attempt, `worker` makes all of them.
"""

from .policy import Own, reach_of
from .resolver import addresses_of
from .sender import Sender
from .signing import Signer
from .worker import Compose, Webhooks

__all__ = ["Compose", "Own", "Sender", "Signer", "Webhooks", "addresses_of", "reach_of"]

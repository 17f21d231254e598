"""praisonrun, whose server can import nothing once it has started, as if its files had been removed."""

import socket
import sys

from praisonrun import __main__, server


class Gone:
    """Finds no module."""

    @staticmethod
    def find_spec(name: str, _path: object, _target: object = None) -> None:
        raise ImportError(f"imported late: {name}")


class Server(server._Server):
    """Removes the files, so to speak, once it has started."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.meta_path.insert(0, Gone)


server._Server = Server  # type: ignore[misc]
sys.exit(__main__.main())

"""Settings: made once from flags and environment, checked here, and never changed.

A setting that cannot work raises a ConfigError that names its flag, before anything is opened.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ..core.errors import ConfigError, reason
from . import callbacks, private_file
from .origins import origin

HOST = "127.0.0.1"
PORT = 8005
_GONE = {errno.ENOENT: "the current directory no longer exists"}

_LOOPBACK = re.compile(r"localhost|::1|127(\.\d{1,3}){3}")
# The addresses that stand for all, and the name that may stand for another program's ::1.
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}  # noqa: S104
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?)(:\d{1,5})?")


def default_state() -> Path:
    """Return this user's state directory: `$XDG_STATE_HOME/praisonrun`, or the system's place for it."""
    from platformdirs import user_state_path

    return user_state_path("praisonrun", appauthor=False)


def default_agents() -> Path | None:
    """Return the path of `./agents.yaml`, or None, which stands for the built-in agent."""
    found = _existing(Path("agents.yaml"), "--agents agents.yaml")
    return found if found is not None and found.is_file() else None


def default_concurrency() -> int:
    """Return how many runs may be live at once by default: agents wait more than they compute."""
    return max(4, 2 * (os.cpu_count() or 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of the server. Raises ConfigError for a value that cannot work.

    Lists may be comma-separated, as in environment variables. Paths are made absolute.
    """

    host: str = HOST
    port: int = PORT
    """0 takes a free port."""
    state: Path = field(default_factory=default_state)
    agents: Path | None = field(default_factory=lambda: default_agents() if here() else None)
    concurrency: int = field(default_factory=default_concurrency)
    allow_host: tuple[str, ...] = ()
    allow_origin: tuple[str, ...] = ()
    agent_root: tuple[Path, ...] = ()
    """Directories that an agent_file of a submit must be in; by default where praisonrun was started."""
    cwd_root: tuple[Path, ...] = ()
    """Directories of which a submit may name any as its agent's; without one, the user's own."""
    min_free: int = 256
    """Megabytes that must be free on the state directory's disk for a submit."""
    queue_limit: int = 10_000
    retain_days: int = 30
    """Days for which finished runs are kept; 0 for ever."""
    retain_gb: float = 2.0
    """Gigabytes that all runs may take before the oldest finished ones are removed; 0 for no limit."""
    token: str | None = field(default=None, repr=False)
    """The token that every request must carry; None admits every local process."""
    token_file: Path | None = None
    """The file of the token; wins over `token`."""
    webhook_secret_file: Path | None = None
    """The file of the secrets that sign webhooks."""
    inline_agents: bool = False
    """Whether a submit may bring its own agents file, and so run any command."""
    adopt: bool = False
    """Whether a copied state directory becomes one of its own; what the original had begun ends there."""
    idle_exit: int | None = None
    """Seconds without anything to do after which the server stops; None for never."""
    on_end: tuple[str, ...] = ()
    """A program and its arguments, started when a run is finished; see `callbacks`."""
    on_ask: tuple[str, ...] = ()
    """The same for when an agent asks something."""
    verbose: bool = False
    """Whether the log has each request, each start and each attempt at a webhook, too."""
    log_json: bool = False
    """Whether each line of the log is a JSON object."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "host", self.host.strip("[]").lower())
        put(self, "state", absolute(self.state))
        put(self, "agents", self.agents and _file(self.agents))
        put(self, "allow_host", tuple(_host(name) for name in _split(self.allow_host)))
        put(self, "allow_origin", tuple(_origin(text) for text in _split(self.allow_origin)))
        put(self, "agent_root", tuple(_root(path) for path in self.agent_root or _here()))
        put(self, "cwd_root", tuple(_root(path, "--cwd-root") for path in self.cwd_root))
        put(self, "token_file", self.token_file and absolute(self.token_file))
        put(self, "webhook_secret_file", self.webhook_secret_file and absolute(self.webhook_secret_file))
        put(self, "token", self._token())
        put(self, "on_end", callbacks.checked(callbacks.ON_END, self.on_end))
        put(self, "on_ask", callbacks.checked(callbacks.ON_ASK, self.on_ask))
        _reachable(self.host, guarded=self.token is not None)
        _within("--port", self.port, 0, 65535)
        _within("--concurrency", self.concurrency, 1, 10_000)
        _within("--min-free", self.min_free, 0, 1_000_000_000)
        _within("--queue-limit", self.queue_limit, 1, 10_000_000)
        _within("--retain-days", self.retain_days, 0, 36_500)
        _within("--retain-gb", self.retain_gb, 0, 1_000_000)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The Host names to accept besides the usual loopback ones."""
        usual = self.host in ("127.0.0.1", "::1", *_ANY)
        return self.allow_host if usual else (_bracketed(self.host), *self.allow_host)

    @property
    def local(self) -> bool:
        """Whether no other machine can reach the server."""
        return _LOOPBACK.fullmatch(self.host) is not None

    @property
    def callbacks(self) -> dict[str, tuple[str, ...]]:
        """The programs of --on-end and --on-ask, of those that are given."""
        both = {callbacks.ON_END: self.on_end, callbacks.ON_ASK: self.on_ask}
        return {flag: words for flag, words in both.items() if words}

    def _token(self) -> str | None:
        if self.token_file is not None:
            return private_file.read(self.token_file, "--token-file")
        return None if self.token is None else private_file.checked(self.token, "PRAISONRUN_TOKEN")


def make(**given: object) -> Settings:
    """Return the settings for the given flags; None and empty lists mean not given."""
    return Settings(**{name: value for name, value in given.items() if value not in (None, (), [])})  # type: ignore[arg-type]


def url(host: str, port: int) -> str:
    """Return the base URL of a server; loopback for one that listens on all addresses."""
    return f"http://{_bracketed(_ANY.get(host, host))}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reachable(host: str, *, guarded: bool) -> None:
    if not _HOST.fullmatch(_bracketed(host)):
        raise ConfigError(f"--host {host}: must be an address or a host name, such as {HOST}")
    if not guarded and not _LOOPBACK.fullmatch(host):
        raise ConfigError(
            f"--host {host}: other machines could run commands here; set a token with --token-file FILE, "
            f"or use a loopback address such as {HOST} and a tunnel (ssh -L) from elsewhere"
        )


def _within(flag: str, value: float, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{flag} {value}: must be from {low} to {high}")


def _split(values: Iterable[str]) -> list[str]:
    return [part for value in values for part in re.split(r"[,\s]+", value) if part]


def may_be_host(name: str) -> bool:
    """Say whether --allow-host takes a name."""
    return _HOST.fullmatch(name.lower()) is not None


def _host(name: str) -> str:
    lowered = name.lower()
    if not may_be_host(name):
        raise ConfigError(f"--allow-host {name}: must be a host name or host:port, such as box.lan:8005")
    return lowered


def _origin(text: str) -> str:
    found = origin(text)
    if found is None:
        example = "such as https://app.example:3000, vscode-webview://ID or http://localhost:*"
        raise ConfigError(f"--allow-origin {text}: must be an exact origin, {example}")
    return found


def absolute(path: Path) -> Path:
    """Return the path, whatever directory becomes the current one. Raises ConfigError where there is none."""
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ConfigError(f"{path}: there is no such user") from None
    except OSError as error:
        raise ConfigError(
            f"{path}: {_GONE.get(error.errno or 0, reason(error))}; go to another, or name an absolute path"
        ) from None


def here() -> str | None:
    """Return the current directory; None if it is gone, or not to be found out."""
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return None


def _existing(path: Path, flag: str) -> Path | None:
    """Return the absolute path, or None if nothing is there. Raises ConfigError if that is not to be seen."""
    found = absolute(path)
    try:
        found.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{flag}: {reason(error)}") from None
    return found


def _file(path: Path) -> Path:
    found = _existing(path, f"--agents {path}")
    if found is None or not found.is_file():
        raise ConfigError(f"--agents {path}: {'is not a file' if found else 'there is no such file'}")
    return found


def _here() -> tuple[Path, ...]:
    """Return the default of --agent-root: nothing where the current directory is gone."""
    return (Path(),) if here() else ()


def _root(path: Path, flag: str = "--agent-root") -> Path:
    found = _existing(path, f"{flag} {path}")
    if found is None or not found.is_dir():
        raise ConfigError(f"{flag} {path}: there is no such directory")
    return found.resolve()


@cache
def boot_id() -> str:
    """Return an id that changes when the machine restarts, and at no other time."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return (_boot_session() if sys.platform == "darwin" else "") or _boot_minute()


def _boot_session() -> str:
    import subprocess

    asked = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def _boot_minute() -> str:
    """Return the minute of the boot by two clocks. The wall clock is set now and then, by seconds mostly."""
    from ..core import clock  # it brings asyncio

    return f"boot-{round((clock.now() - clock.ticks()) / 60e6)}"

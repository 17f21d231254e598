"""What a child is started with: its program, its arguments, its environment."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from fnmatch import translate
from functools import lru_cache
from pathlib import Path

from ..core.errors import Invalid
from ..core.model import Agent
from . import frameworks, placeholders

ARGUMENT_LIMIT = 131_071
"""Bytes that one argument may hold on Linux, its final NUL not counted."""
ENVS_LIMIT = 131_072
"""Bytes that the envs of a submit may hold together: each fits one string of the kernel's, and all, together
with a prompt, its room; they are held in memory until the spawn."""
DRIVER = Path(__file__).parent / "crew_driver.py"
"""The script that runs a crew under its framework's interpreter."""
BASE = ["HOME", "PATH", "USER", "LOGNAME", "LANG", "LC_*", "TZ", "TMPDIR", "SHELL", "SSL_*", "XDG_*"]
PROVIDERS = (
    "OPENAI_*",
    "ANTHROPIC_*",
    "GEMINI_*",
    "GOOGLE_*",
    "AZURE_*",
    "OLLAMA_*",
    "MISTRAL_*",
    "GROQ_*",
    "COHERE_*",
    "DEEPSEEK_*",
    "OPENROUTER_*",
    "XAI_*",
    "TOGETHER_*",
    "TOGETHERAI_*",
    "FIREWORKS_*",
    "PERPLEXITY_*",
    "HUGGINGFACE_*",
    "HF_*",
    "LITELLM_*",
    "PRAISONAI_*",
    "CREWAI_*",
    "SERPER_*",
    "TAVILY_*",
    "EXA_*",
    "LANGFUSE_*",
    "MODEL_NAME",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
)
"""What crews need on top of BASE, since their files cannot say it."""
_NEVER = ("PRAISONRUN_*", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET")


def program(agent: Agent, environ: Mapping[str, str]) -> str | None:
    """Return the absolute path of what the agent starts, None where it is not installed.

    A crew's program is its framework's interpreter; see `frameworks.resolve` for what it raises.
    """
    if agent.crew is not None:
        return frameworks.resolve(agent.crew.framework, agent.crew.python, environ)
    return _found(agent, agent.command[0], environ)


def argv(
    agent: Agent,
    *,
    prompt: str,
    run_id: str,
    session_id: str | None,
    port: int | None,
    environ: Mapping[str, str],
    crew_file: Path | None = None,
    crew_driver: Path | None = None,
) -> list[str]:
    """Return the command with its placeholders filled and its program absolute.

    {session_id} is the run's id where the submit named no session. A crew needs `crew_file`, the copy of
    its text. Raises Invalid for a program that is missing or a prompt that no argument can hold.
    """
    if agent.crew is not None:
        assert crew_file is not None
        python = frameworks.resolve(agent.crew.framework, agent.crew.python, environ)
        return [python, str(crew_driver or DRIVER), str(crew_file), "--framework", agent.crew.framework]
    values = {
        "prompt": prompt,
        "run_id": run_id,
        "session_id": session_id or run_id,
        "port": "" if port is None else str(port),
        "python": sys.executable,
    }
    _refuse_prompt(agent, prompt)
    return [_installed(agent, agent.command[0], environ), *placeholders.fill(agent.command[1:], values)]


def install_argv(agent: Agent, environ: Mapping[str, str]) -> list[str]:
    """Return the install command ready to run, empty where there is none. Raises Invalid like `argv`."""
    if not agent.install:
        return []
    values = {"python": sys.executable}
    return [_installed(agent, agent.install[0], environ), *placeholders.fill(agent.install[1:], values)]


def preflight(
    agent: Agent,
    prompt: str,
    environ: Mapping[str, str],
    given: Mapping[str, str],
    find: Callable[[Agent, Mapping[str, str]], str | None] = program,
) -> None:
    """Raise Invalid for what would keep a run from starting: program, framework, prompt size, env."""
    _refuse_prompt(agent, prompt)
    _refuse_envs(given)
    if find(agent, environ) is None:
        raise _not_installed(agent, agent.command[0])
    missing = missing_env(agent, environ, given)
    if missing:
        raise Invalid(
            f"agent {agent.name!r} needs {', '.join(missing)}; send it in `envs` or set it for the server",
            field="envs",
        )


def child_env(
    agent: Agent, environ: Mapping[str, str], given: Mapping[str, str], extra: Mapping[str, str]
) -> dict[str, str]:
    """Return the child's environment: what passes from `environ`, the entry's literals, `given`, `extra`.

    Later ones win. Nothing of the server's own (its token, its sockets) passes.
    """
    wanted = _matching((*BASE, *agent.env_pass, *agent.env_required, *(PROVIDERS if agent.crew else ())))
    never = _matching(_NEVER)
    passed = {name: value for name, value in environ.items() if wanted.match(name) and not never.match(name)}
    return {**passed, **agent.env, **given, **extra}


def missing_env(agent: Agent, environ: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """Return the names of `env_required` that nothing supplies."""
    return [
        name
        for name in agent.env_required
        if not (given.get(name) or agent.env.get(name) or environ.get(name))
    ]


def _found(agent: Agent, name: str, environ: Mapping[str, str]) -> str | None:
    if name == "{python}":
        return sys.executable
    name = os.path.expanduser(name)  # noqa: PTH111
    if "/" not in name:
        found = shutil.which(name, path=agent.env.get("PATH") or environ.get("PATH") or os.defpath)
        return os.path.abspath(found) if found else None  # noqa: PTH100
    places = (os.path.join(folder, name) for folder in (agent.cwd, os.path.dirname(agent.file)))  # noqa: PTH118, PTH120
    return next((os.path.normpath(place) for place in places if _runs(place)), None)


def _runs(place: str) -> bool:
    return os.access(place, os.X_OK) and os.path.isfile(place)  # noqa: PTH113


def _installed(agent: Agent, name: str, environ: Mapping[str, str]) -> str:
    found = _found(agent, name, environ)
    if found is None:
        raise _not_installed(agent, name)
    return found


def _not_installed(agent: Agent, name: str) -> Invalid:
    where = "does not exist or cannot be run" if "/" in name else "is not on PATH"
    return Invalid(f"program {name!r} of agent {agent.name!r} {where}", field="agent")


def _refuse_prompt(agent: Agent, prompt: str) -> None:
    if agent.prompt != "arg":
        return
    size = len(prompt.encode())
    if size > ARGUMENT_LIMIT:
        raise Invalid(
            f"a prompt of {size} bytes does not fit an argument (at most {ARGUMENT_LIMIT}):"
            f" agent {agent.name!r} must take it from stdin",
            field="prompt",
        )


def _refuse_envs(given: Mapping[str, str]) -> None:
    size = sum(len(f"{name}={value}".encode()) + 1 for name, value in given.items())
    if size > ENVS_LIMIT:
        raise Invalid(
            f"envs of {size} bytes do not fit an environment (at most {ENVS_LIMIT}): "
            "put what is large into a file and send its path",
            field="envs",
        )


@lru_cache(maxsize=256)
def _matching(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob) for glob in globs))

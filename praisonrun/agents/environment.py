"""Environments: how entries name variables, and which variables a child gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import translate
from functools import lru_cache

from ..core.agent import Agent
from ..core.errors import Invalid
from .nodes import Node
from .reading import mapping, text, texts

STRING_LIMIT = 131_071
"""Bytes that an argument, or a variable with its value, may hold on Linux, without the final NUL."""
ENVS_LIMIT = STRING_LIMIT + 1
"""Bytes that the envs of a submit may hold together, each with its NUL. Each then fits one string of the
kernel, and together with a prompt they fit its room. They stay in memory until the spawn."""
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
"""Variables that crews get besides BASE, because their files cannot name them."""
_NEVER = ("PRAISONRUN_*", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_GLOB = re.compile(r"[A-Za-z_*?][A-Za-z0-9_*?]*")
_OURS = ("PRAISONRUN_", "LISTEN_FD", "LISTEN_PID", "NOTIFY_SOCKET")


def names(node: Node, key: str) -> tuple[str, ...]:
    """Return names of environment variables."""
    return _names(node, key, _NAME)


def globs(node: Node, key: str) -> tuple[str, ...]:
    """Return names of environment variables, which may contain * and ?."""
    return _names(node, key, _GLOB)


def literals(node: Node, key: str) -> dict[str, str]:
    """Return names and literal values of environment variables."""
    pairs = mapping(node, key)
    for name in pairs:
        _env_name(node.keys[name], key, name, _NAME)
    return {name: text(value, f"{key}.{name}") for name, value in pairs.items()}


def child_env(
    agent: Agent, environ: Mapping[str, str], given: Mapping[str, str], extra: Mapping[str, str]
) -> dict[str, str]:
    """Return the child's environment: what passes from `environ`, the entry's literals, `given`, `extra`.

    Later ones win. The server's own variables (its token, its sockets) never pass.
    """
    wanted = _matching((*BASE, *agent.env_pass, *agent.env_required, *(PROVIDERS if agent.crew else ())))
    never = _matching(_NEVER)
    passed = {name: value for name, value in environ.items() if wanted.match(name) and not never.match(name)}
    return {**passed, **agent.env, **given, **extra}


def missing_env(agent: Agent, environ: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """Return the names of `env_required` that have no value."""
    return [
        name
        for name in agent.env_required
        if not (given.get(name) or agent.env.get(name) or environ.get(name))
    ]


def refuse_envs(given: Mapping[str, str]) -> None:
    """Raise Invalid for envs of a submit that do not fit an environment."""
    size = sum(len(f"{name}={value}".encode()) + 1 for name, value in given.items())
    if size > ENVS_LIMIT:
        raise Invalid(
            f"envs of {size} bytes do not fit an environment (at most {ENVS_LIMIT}): "
            "put what is large into a file and send its path",
            field="envs",
        )


def _names(node: Node, key: str, form: re.Pattern[str]) -> tuple[str, ...]:
    found = texts(node, key)
    for item, name in zip(node.items or (), found, strict=True):
        _env_name(item, key, name, form)
    return found


def _env_name(node: Node, key: str, name: str, form: re.Pattern[str]) -> None:
    if not form.fullmatch(name):
        raise node.fault(
            f"{name!r} in `{key}` is not a name of an environment variable; use letters, digits and _"
        )
    if name.startswith(_OURS):
        raise node.fault(f"{name} in `{key}` is set by praisonrun itself; remove it")


@lru_cache(maxsize=256)
def _matching(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob) for glob in globs))

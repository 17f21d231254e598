"""Readers of names and values of environment variables."""

from __future__ import annotations

import re

from . import reading
from .faults import Faults
from .nodes import Node
from .readers import Schema, reads, text

OURS = ("PRAISONRUN_", "LISTEN_FD", "LISTEN_PID", "NOTIFY_SOCKET")
"""How the names of the server's own variables begin: its token, its sockets."""

PROVIDERS = (
    "OPENAI_*", "ANTHROPIC_*", "GEMINI_*", "GOOGLE_*", "AZURE_*", "OLLAMA_*", "MISTRAL_*", "GROQ_*",
    "COHERE_*", "DEEPSEEK_*", "OPENROUTER_*", "XAI_*", "TOGETHER_*", "TOGETHERAI_*", "FIREWORKS_*",
    "PERPLEXITY_*", "HUGGINGFACE_*", "HF_*", "LITELLM_*", "PRAISONAI_*", "CREWAI_*", "SERPER_*", "TAVILY_*",
    "EXA_*", "LANGFUSE_*", "CEREBRAS_*", "DASHSCOPE_*", "MINIMAX_*", "MOONSHOT_*", "ZAI_*", "MODEL_NAME",
)  # fmt: skip
"""Variables of the usual providers of models."""
NETWORK = (
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
    "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
"""Variables of proxies and certificates."""


def _named(wild: str = "") -> Schema:
    ours = "|".join(OURS)
    return {"type": "string", "pattern": f"^(?!{ours})[A-Za-z_{wild}][A-Za-z0-9_{wild}]*$"}


@reads(_named())
def name(node: Node, key: str) -> str:
    """Return the name of an environment variable."""
    return _checked(node, key, text(node, key))


@reads(_named("*?"))
def glob(node: Node, key: str) -> str:
    """Return the name of an environment variable, which may contain * and ?."""
    return _checked(node, key, text(node, key), wild="*?")


@reads({"type": "object", "propertyNames": _named(), "additionalProperties": text.schema})
def values(node: Node, key: str) -> dict[str, str]:
    """Return names and literal values of environment variables."""
    faults = Faults()
    found = {}
    for one, value in reading.mapping(node, key).items():
        with faults.kept():
            _checked(node.keys[one], key, one)
        with faults.kept():
            found[one] = text(value, f"{key}.{one}")
    faults.check()
    return found


def _checked(node: Node, key: str, given: str, wild: str = "") -> str:
    if not re.fullmatch(f"[A-Za-z_{wild}][A-Za-z0-9_{wild}]*", given):
        raise node.fault(
            f"{given!r} in `{key}` is not a name of an environment variable; use letters, digits and _"
        )
    if given.startswith(OURS):
        raise node.fault(f"{given} in `{key}` is set by praisonrun itself; remove it")
    return given

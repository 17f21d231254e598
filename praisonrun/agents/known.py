"""Programs that are agents: how each is installed, and the entry that runs it safely where we know one.

An entry takes every prompt: on standard input, so that a dash begins no option. It lets its agent change
files where it works, but run no command that it would have to ask for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import NamedTuple

from ..core.agent import Agent
from . import frameworks


class Known(NamedTuple):
    """What is known of a program."""

    install: str
    """A shell line."""
    entry: str = ""
    """Keys of an entry, a line each; empty for a program whose plain form hides failures or asks nobody."""


_NPM, _PIP = "npm install -g ", "pip install "
KNOWN: Mapping[str, Known] = {
    "claude": Known(
        _NPM + "@anthropic-ai/claude-code",
        """\
command: [claude, -p, --output-format, stream-json, --verbose, --permission-mode, acceptEdits]
format: jsonl
env: {DISABLE_AUTOUPDATER: "1", CLAUDE_CODE_MAX_RETRIES: "3"}
env_pass: [ANTHROPIC_*, CLAUDE_CODE_*]
""",
    ),
    "codex": Known(
        _NPM + "@openai/codex",
        """\
command: [codex, exec, --skip-git-repo-check, -s, workspace-write, "-"]
env_pass: [OPENAI_*, CODEX_*]
""",
    ),
    "gemini": Known(
        _NPM + "@google/gemini-cli",
        """\
command: [gemini, --approval-mode, auto_edit]
env: {GEMINI_CLI_TRUST_WORKSPACE: "true"}
env_pass: [GEMINI_*, GOOGLE_*]
""",
    ),
    "qwen": Known(
        _NPM + "@qwen-code/qwen-code",
        """\
command: [qwen, --approval-mode, auto-edit, -o, stream-json]
format: jsonl
env_pass: [OPENAI_*, QWEN_*, DASHSCOPE_*]
""",
    ),
    "opencode": Known(
        _NPM + "opencode-ai",
        """\
command: [opencode, run]
env: {OPENCODE_DISABLE_AUTOUPDATE: "1", OPENCODE_DISABLE_MODELS_FETCH: "1"}
env_pass: [OPENCODE_*, OPENAI_*, ANTHROPIC_*]
concurrency: 1   # until it ran once: two first runs at once make one fail
""",
    ),
    "copilot": Known(
        _NPM + "@github/copilot",
        """\
command: [copilot, --no-ask-user, --allow-tool=write]
env_pass: [COPILOT_*, GH_TOKEN, GITHUB_TOKEN]
""",
    ),
    "vibe": Known(
        _PIP + "mistral-vibe",
        """\
command: [vibe, -p, --trust, --agent, accept-edits]
env_pass: [MISTRAL_*, VIBE_*]
""",
    ),
    "llm": Known(
        _PIP + "llm",
        """\
command: [llm]
env_pass: [OPENAI_*, ANTHROPIC_*, GEMINI_*]
""",
    ),
    "pi": Known(_NPM + "@mariozechner/pi-coding-agent"),
    "cline": Known(_NPM + "cline"),
    "cn": Known(_NPM + "@continuedev/cli"),
    "kimi": Known(_NPM + "@moonshot-ai/kimi-code"),
    "aider": Known(_PIP + "aider-chat"),
    "gptme": Known(_PIP + "gptme"),
    "mini": Known(_PIP + "mini-swe-agent"),
}
"""By the name of the program."""


def install(agent: Agent) -> str | None:
    """Return the shell line that installs an agent's program, or a crew's framework, if we know it."""
    if agent.crew is not None:
        framework = frameworks.FRAMEWORKS.get(agent.crew.framework)
        return framework and framework.install
    found = KNOWN.get(agent.command[0])
    return found and found.install


def on_path(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the entries of the agents whose programs are on PATH, by their names."""
    path = environ.get("PATH") or os.defpath
    return {
        name: known.entry for name, known in KNOWN.items() if known.entry and shutil.which(name, path=path)
    }

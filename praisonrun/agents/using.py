"""From an entry that uses a recipe to one that says all by itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from . import placeholders, reading, recipes
from .crew import Shared, named_interpreter
from .faults import Faults
from .keys import OF_RECIPES, READERS
from .nodes import Node
from .recipes.recipe import ADDED, Approval, Recipe

EDITS, ASK = "edits", "ask"
"""What an agent may do unasked: change files, where the entry does not say; what harms nothing."""
_PLACES = {"{approve}": "approve", "{args}": "args", "{script}": "script", "{interpreter}": "python"}
"""What an entry fills in a recipe's command."""


def applied(node: Node, shared: Shared) -> tuple[Node, Recipe, str]:
    """Return an entry with what its recipe adds, the recipe, and the word of its approval.

    What the file says for all its agents is stronger than a recipe. Raises ConfigError.
    """
    own = node.pairs or {}
    recipe = _found(own["use"], Path(shared.file).parent)
    faults, given = Faults(), {}
    for key in [key for key in OF_RECIPES if key in own]:
        with faults.kept():
            given[key] = READERS[key](own[key], key)
    with faults.kept():
        if "mode" in own and own["mode"].text != "run":
            raise own["mode"].fault(
                "a recipe is for runs; remove `mode`, or write `command:` instead of `use:`"
            )
    faults.check()
    word = given.get("approve", EDITS)
    command = {**(recipe.node.pairs or {}), **own}["command"]
    meant = {_PLACES.get(item.text) for item in command.items or ()}
    if "command" not in own:
        meant.add("approve")
    approval = _approval(recipe, word, own["use"]) if "approve" in meant else Approval()
    for key in given:
        if key not in meant:
            why = "has no meaning with a `command` of your own" if "command" in own else "has no meaning here"
            faults.add(node.keys[key].fault(f"`{key}` {why}; remove it"))
    if recipe.scripted and "script" not in own and "script" in meant:
        faults.add(
            own["use"].fault(f"`use: {recipe.name}` runs a Python file of yours; add script: agent.py")
        )
    files = {**(recipe.node.pairs or {}), **own}.get("files")
    if "approve" in meant and word == ASK and files is not None and files.value is False:
        faults.add(
            files.fault("`files: false` leaves an agent no way to ask; remove it, or write approve: edits")
        )
    faults.check()
    base = recipe.node
    if "command" in own and placeholders.SESSION not in [item.text for item in command.items or ()]:
        base = base.without(("session",))
    filled = node.over(_base(base, approval, shared.env), joined=ADDED).without(("use", *OF_RECIPES))
    parts = {key: _parts(key, own, approval, shared) for key in OF_RECIPES}
    return _written(filled, parts), recipe, word


def _found(use: Node, folder: Path) -> Recipe:
    name = READERS["use"](use, "use")
    recipe = recipes.find(name, folder)
    if recipe is None:
        known = recipes.names()
        near = reading.did_you_mean(name, known) or f"; known are {', '.join(known)}"
        raise use.fault(f"no recipe `{name[:80]}`{near}; a recipe of your own is {recipes.FOLDER}/NAME.yaml")
    return recipe


def _base(node: Node, approval: Approval, env: Mapping[str, str]) -> Node:
    """Return a recipe's keys, and an approval's variables, without what the file gives all its agents."""
    pairs = node.pairs or {}
    values = {name: _text(node, value) for name, value in approval.env.items()}
    said = replace(node, pairs=values, keys=dict.fromkeys(values, node)).over(pairs["env"])
    return replace(node, pairs={**pairs, "env": said.without(env)})


def _approval(recipe: Recipe, word: str, use: Node) -> Approval:
    if not recipe.approve:
        return Approval()
    if word not in recipe.approve:
        known = " or ".join(recipe.approve)
        told = "cannot ask a person" if word == ASK else "does everything without asking"
        raise use.fault(f"`use: {recipe.name}` {told}; write approve: {known} where you want that")
    return recipe.approve[word]


def _parts(key: str, own: Mapping[str, Node], approval: Approval, shared: Shared) -> list[Node]:
    """Return what stands in a command for one of a recipe's places."""
    at, given, folder = own.get(key, own["use"]), key in own, Path(shared.file).parent
    match key:
        case "approve":
            return [_text(at, word) for word in approval.args]
        case "args":
            return at.items or [] if given else []
        case "python":
            return [_text(at, named_interpreter(at, folder) if given else shared.python or "python3")]
    return [_text(at, os.path.normpath(folder / Path(at.text).expanduser()) if given else "")]


def _written(node: Node, parts: Mapping[str, list[Node]]) -> Node:
    pairs = node.pairs or {}
    command = pairs["command"]
    items = [
        part
        for item in command.items or ()
        for part in (parts[_PLACES[item.text]] if item.text in _PLACES else [item])
    ]
    return replace(node, pairs={**pairs, "command": replace(command, items=items)})


def _text(at: Node, text: str) -> Node:
    return Node(at.file, at.line, at.column, "str", text, text)

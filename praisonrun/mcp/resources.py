"""What runs left, as resources: `praisonrun://runs/ID/logs` and `praisonrun://runs/ID/artifacts/PATH`."""

from __future__ import annotations

import base64
import re
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote, unquote

from ..core.errors import NotFound
from . import output, words
from .api import RUNS, Api, asked, checked, url_of

SCHEME = "praisonrun://runs/"
LISTED = 20
"""Runs whose output is listed, the newest."""
FILES = 20
"""Artifacts that are listed of each."""
LARGEST = 256 * 1024
"""Bytes of an artifact that is read; a larger one is downloaded."""
LINES = 1000
_URI = re.compile(re.escape(SCHEME) + r"([^/?#]+)/(logs|artifacts/([^?#]+))")
TEMPLATES = {
    f"{SCHEME}{{run_id}}/logs": ("logs", f"The last {LINES} lines that a run has printed."),
    f"{SCHEME}{{run_id}}/artifacts/{{+path}}": ("artifact", "A file that a run left; get_run names them."),
}
"""Templates (RFC 6570): name and description."""


class Listed(NamedTuple):
    """A resource."""

    uri: str
    name: str
    description: str
    size: int | None = None


class Read(NamedTuple):
    """What a resource holds: text that is marked as its agent's, or base64 of other bytes."""

    text: str | None
    blob: str | None = None


def uri_of(run_id: str, *place: str) -> str:
    """Return the URI of something of a run."""
    return SCHEME + "/".join((quote(run_id, safe=""), *(quote(part) for part in place)))


async def listed(api: Api) -> list[Listed]:
    """Return the resources of the newest runs. Raises PraisonrunError."""
    runs = await asked(api, "GET", RUNS, query={"page_size": LISTED})
    found: list[Listed] = []
    for run in runs["jobs"]:
        run_id, about = (
            run["job_id"],
            f"run {run['job_id']} of {words.one_line(run['agent'])}, {run['status']}",
        )
        found.append(Listed(uri_of(run_id, "logs"), f"output of {run_id}", f"What {about}, has printed."))
        reply = await api.ask("GET", url_of(run_id, "artifacts"))
        files = checked(reply)["artifacts"] if reply.status == HTTPStatus.OK else []  # it is gone by now
        for file in files[:FILES]:
            name, uri = words.one_line(file["path"]), uri_of(run_id, "artifacts", file["path"])
            found.append(Listed(uri, name, f"A file of {about}.", file["size"]))
    return found


async def read(api: Api, uri: str) -> Read:
    """Return what a resource holds. Raises PraisonrunError."""
    place = _URI.fullmatch(uri)
    if place is None:
        raise NotFound(f"there is no resource {words.one_line(uri)}; there are {', '.join(TEMPLATES)}")
    run = await asked(api, "GET", url_of(unquote(place[1])))
    if place[3] is None:
        lines = await output.last_lines(api, run["job_id"], LINES)
        return Read(words.marked(run, [("output", words.visible(lines))]) or "")
    reply = await api.ask("GET", url_of(run["job_id"], "artifacts", quote(unquote(place[3]))), most=LARGEST)
    if reply.status != HTTPStatus.OK:
        checked(reply)
    if reply.cut:
        where = url_of(run["job_id"], "artifacts", quote(unquote(place[3])))
        raise NotFound(f"the file has more than {LARGEST} bytes; download it from the server: {where}")
    text = _text(reply.body)
    if text is None:
        return Read(None, base64.b64encode(reply.body).decode())
    return Read(words.marked(run, [(unquote(place[3]), words.visible(text))]) or "")


def _text(body: bytes) -> str | None:
    """Return a file's text, None for one that is none."""
    try:
        return None if b"\0" in body else body.decode()
    except UnicodeDecodeError:
        return None

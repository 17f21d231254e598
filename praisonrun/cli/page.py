"""`praisonrun open`: the page of a server, or of one run, in a browser.

A token must be in no command line, where every user of the machine can read it. So a private file leads the
browser to the page, with the token behind # of an address: browsers send no such part. The page's own
storage keeps it, and the file is removed after a moment.
"""

from __future__ import annotations

import html
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from ..config.discovery import Named
from .client import Client
from .ids import find
from .local import target
from .pipe import print_object, print_text

SECONDS = 20.0
"""How long a browser that is just starting may take to read the file."""
_FILE = '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'


def show(
    server: Named,
    run_id: str | None,
    browse: Callable[[str], bool] = webbrowser.open,
    pause: Callable[[float], None] = time.sleep,
    *,
    as_json: bool = False,
) -> int:
    """Open the page and print its address, without the token; return 0, or 1 where no browser was found."""
    found = target(server)
    with Client(found, tries=3) as client:
        # This asks also where no run is named: the server proves itself before its page is given the token.
        word = (find(client, run_id) if run_id is not None else client.agents()).get("job_id")
    address = f"{found.base}/ui/runs/{quote(word, safe='')}" if word else f"{found.base}/"
    if not as_json:
        print_text(address)
    if found.token is None:
        opened = browse(address)
    else:
        with tempfile.TemporaryDirectory(prefix="praisonrun-") as folder:  # for this user alone
            file = Path(folder, "open.html")
            file.touch(0o600)
            leads = html.escape(f"0;url={address}#token={quote(found.token, safe='')}")
            file.write_text(f'{_FILE}<meta http-equiv="refresh" content="{leads}">\n')
            if opened := browse(file.as_uri()):
                pause(SECONDS)
    if as_json:
        print_object({"url": address, "opened": opened})
    elif not opened:
        print("praisonrun: no browser was found; open the address yourself", file=sys.stderr)
    return 0 if opened else 1

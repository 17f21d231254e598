"""Whether the latest attempt failed because its agent did not know its conversation: it says only that.

One that has said or done anything before may not be run again unasked.
"""

from __future__ import annotations

import re

from .backwards import latest_back
from .format import Kind
from .formats import FORMATS, frame_events
from .printed import failing_line
from .reader import Reader

ERROR_SEARCHED = 1000
"""Characters of an agent's error in which a pattern is looked for."""


def knew_nothing(reader: Reader, format_name: str, pattern: str, error: str) -> bool:
    """Say whether an attempt that failed has a pattern in its error or output, and did nothing else."""
    structured = FORMATS[format_name].structured
    told = re.search(pattern, error[:ERROR_SEARCHED]) or failing_line(reader, pattern, structured=structured)
    return bool(told) and not _worked(reader, format_name, structured=structured)


def _worked(reader: Reader, format_name: str, *, structured: bool) -> bool:
    for frame in latest_back(reader):
        if frame.kind is Kind.STDOUT:
            names = {event.name for event in frame_events(format_name, frame)}
            if not structured or names & {"message", "tool_call"}:
                return True
    return False

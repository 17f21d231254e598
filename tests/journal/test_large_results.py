"""Which JSON of a result may be copied into an answer: what is read from it is what we would write."""

from __future__ import annotations

import pytest

from praisonrun.journal.large_results import can_be_copied

DEEP = b"[" * 101 + b"]" * 101


@pytest.mark.parametrize(
    ("text", "can"),
    [
        (b' {"a": [1, 2.5, "x\\ud83d", null, true],\n "b": {}} ', True),
        ("\u2028é".join('""').encode(), True),
        (DEEP[1:-1], True),
        (DEEP, False),
        (b"[" * 200_000, False),
        (b'{"a": 1, "a": 2}', False),  # the last one counts, for us
        (b"[1e400]", False),  # a null, where we write it
        (b"[NaN]", False),
        (b"[1" + b"0" * 5000 + b"]", False),
        (b'"\xff"', False),
        (b'"a\nb"', False),
        (b"\xef\xbb\xbf[]", False),
        (b"[] []", False),
        (b"no JSON", False),
        (b"", False),
    ],
)
def test_what_can_be_copied(text: bytes, can: bool) -> None:
    assert can_be_copied(text) is can

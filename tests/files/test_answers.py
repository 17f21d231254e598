"""The file of answers: each one once, whatever is in its place or was left half written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from praisonrun.files import answers

YES, NO = {"id": "a", "answer": "yes"}, {"id": "b", "denied": True}


def told(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / answers.ANSWERS).read_text().splitlines()]


def test_each_answer_is_there_once(tmp_path: Path) -> None:
    answers.append(str(tmp_path), [YES])
    answers.append(str(tmp_path), [YES, NO])
    assert told(tmp_path) == [YES, NO]
    assert (tmp_path / answers.ANSWERS).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kept", range(len(json.dumps(NO)) + 1))
def test_a_torn_line_is_cut_off(tmp_path: Path, kept: int) -> None:
    answers.append(str(tmp_path), [YES])
    with (tmp_path / answers.ANSWERS).open("a") as file:
        file.write(json.dumps(NO)[:kept])
    answers.append(str(tmp_path), [YES, NO])
    assert told(tmp_path) == [YES, NO]


def test_what_an_agent_wrote_there_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / answers.ANSWERS).write_bytes(b'\xff\n[]\n"a"\n{"id": []}\n{"a": 1}\n' + b"[" * 9999 + b"\n")
    answers.append(str(tmp_path), [YES])
    assert (tmp_path / answers.ANSWERS).read_bytes().endswith(b'\n{"id": "a", "answer": "yes"}\n')
    (tmp_path / answers.ANSWERS).write_bytes(b"x" * (answers.WINDOW + 9))
    answers.append(str(tmp_path), [YES])
    assert (tmp_path / answers.ANSWERS).read_bytes() == b"x" * 9 + b'{"id": "a", "answer": "yes"}\n'


def test_what_is_no_file_of_its_own_is_replaced(tmp_path: Path) -> None:
    file, other = tmp_path / answers.ANSWERS, tmp_path / "other"
    other.write_text("mine")
    for place in (file.symlink_to, file.hardlink_to):
        place(other)
        answers.append(str(tmp_path), [YES])
        assert (told(tmp_path), other.read_text()) == ([YES], "mine")
        file.unlink()
    os.mkfifo(file)
    answers.append(str(tmp_path), [YES])
    assert told(tmp_path) == [YES]
    file.unlink()
    (file / "deep").mkdir(parents=True)
    answers.append(str(tmp_path), [YES])
    assert told(tmp_path) == [YES]


def test_no_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        answers.append(str(tmp_path / "gone"), [YES])
    (tmp_path / "run").mkdir()
    answers.append(str(tmp_path / "run"), [YES])
    answers.remove(str(tmp_path / "run"))
    answers.remove(str(tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []

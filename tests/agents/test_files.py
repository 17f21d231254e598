"""agent_file: nothing outside the roots is ever read, and nothing special hangs or is opened."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from praisonrun.agents import Catalog, files
from praisonrun.core.errors import BadRequest, Invalid

pytestmark = pytest.mark.scorecard(28)

GOOD = "agents: {inner: {command: [ls]}}"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A root full of traps, and a folder beside it that must stay out of reach."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "sub" / "deep").mkdir(parents=True)
    outside.mkdir()
    (tmp_path / "root-twin").mkdir()
    for path in (
        root / "ok.yaml",
        root / "sub/ok.yaml",
        outside / "secret.yaml",
        tmp_path / "root-twin/x.yaml",
    ):
        path.write_text(GOOD)
    links: dict[str, str | Path] = {
        "link.yaml": outside / "secret.yaml",
        "relative.yaml": "../outside/secret.yaml",
        "dir": outside,
        "sub/dir": "../../outside",
        "chain.yaml": "link.yaml",
        "dangling.yaml": outside / "nothing.yaml",
        "dangling-inside.yaml": "nothing.yaml",
        "loop.yaml": "loop.yaml",
        "loop-a.yaml": "loop-b.yaml",
        "loop-b.yaml": "loop-a.yaml",
        "passwd": "/etc/passwd",
        "up": "..",
        "rootfs": "/",
        "inside.yaml": "sub/ok.yaml",
        "null.yaml": "/dev/null",
        "twin.yaml": tmp_path / "root-twin/x.yaml",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo.yaml")
    os.mkfifo(root / "sub/fifo.yaml")
    (root / "big.yaml").write_bytes(b"#" * (files.MAX_BYTES + 1))
    (root / "sparse.yaml").touch()
    os.truncate(root / "sparse.yaml", 1 << 40)
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(root)  # the name of a socket is short
        listener.bind("sock.yaml")
        os.chdir(here)
        yield root


def catalog(root: Path) -> Catalog:
    return Catalog(None, [root], {})


OUTSIDE = [
    "link.yaml",
    "relative.yaml",
    "chain.yaml",
    "dangling.yaml",
    "dir/secret.yaml",
    "sub/dir/secret.yaml",
    "dir",
    "dir/nothing.yaml",
    "passwd",
    "up",
    "up/outside/secret.yaml",
    "up/root/ok.yaml/../..",
    "rootfs/etc/passwd",
    "rootfs",
    "null.yaml",
    "twin.yaml",
    "../outside/secret.yaml",
    "..",
    "sub/../../outside/secret.yaml",
    "sub/../ok.yaml",
    "./../root/ok.yaml",
    "/etc/passwd",
    "/",
    "/dev/zero",
    "/proc/self/environ",
    "//etc/passwd",
    "{root}/../outside/secret.yaml",
    "{root}-twin/x.yaml",
    "{root}/link.yaml",
    "{root}/dir/secret.yaml",
    "{tmp}/outside/secret.yaml",
]
REFUSED = [
    ("", "empty"),
    ("   ", "empty"),
    (".", "directory"),
    ("./", "directory"),
    ("sub", "directory"),
    ("{root}", "directory"),
    ("fifo.yaml", "regular file"),
    ("sub/fifo.yaml", "regular file"),
    ("sock.yaml", "regular file"),
    ("big.yaml", "256 KiB"),
    ("sparse.yaml", "256 KiB"),
    ("loop.yaml", "leads nowhere"),
    ("loop-a.yaml", "leads nowhere"),
    ("nothing.yaml", "does not exist"),
    ("dangling-inside.yaml", "does not exist"),
    ("sub/nothing.yaml", "does not exist"),
    ("ok.yaml/x", "does not exist"),
    ("~/agents.yaml", "does not exist"),
    ("a\0b", "no file name"),
    ("\ud800.yaml", "no file name"),
    ("x" * 2000, "longer than"),
    ("x" * 300, "does not exist"),
    ("sub\\ok.yaml", "does not exist"),
    ("%2e%2e/outside", "does not exist"),
    ("file:///etc/passwd", "does not exist"),
    ("ok.yaml\n", "does not exist"),
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_lies_outside_is_a_bad_request(place: Path, name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        catalog(place).from_file(name.format(root=place, tmp=place.parent))
    assert caught.value.field == "agent_file"
    assert "outside the agent roots" in caught.value.message or "'..'" in caught.value.message


@pytest.mark.parametrize(("name", "says"), REFUSED)
def test_what_is_no_agents_file_is_a_bad_request(place: Path, name: str, says: str) -> None:
    with pytest.raises(BadRequest) as caught:
        catalog(place).from_file(name.format(root=place))
    assert caught.value.field == "agent_file"
    assert says in caught.value.message
    caught.value.message.encode()


def test_no_path_of_the_corpus_is_read_and_none_hangs(place: Path, figure: Callable[[str], None]) -> None:
    corpus, slowest = [*OUTSIDE, *(name for name, _ in REFUSED)], 0.0
    assert len(set(corpus)) >= 40
    for name in corpus:
        begun = time.monotonic()
        with pytest.raises(BadRequest):
            catalog(place).from_file(name.format(root=place, tmp=place.parent))
        slowest = max(slowest, time.monotonic() - begun)
    figure(f"{len(corpus)} paths of agent_file: 0 read, the slowest refused after {slowest * 1000:.0f} ms")
    assert slowest < 1


@pytest.mark.parametrize(
    "name", ["ok.yaml", "sub/ok.yaml", "./ok.yaml", "sub//ok.yaml", "inside.yaml", "{root}/ok.yaml"]
)
def test_what_lies_inside_is_read(place: Path, name: str) -> None:
    agent = catalog(place).from_file(name.format(root=place))
    assert agent.name == "inner"
    assert Path(agent.file).is_file()


def test_a_root_may_be_a_symlink(place: Path) -> None:
    link = place.parent / "alias"
    link.symlink_to(place)
    assert catalog(link).from_file("ok.yaml").name == "inner"
    assert catalog(link).from_file(f"{link}/sub/ok.yaml").name == "inner"


def test_the_second_root_is_looked_into(place: Path, tmp_path: Path) -> None:
    assert Catalog(None, [tmp_path / "none", place], {}).from_file("ok.yaml").name == "inner"


def test_a_file_swapped_for_a_symlink_after_the_look_is_not_followed(place: Path) -> None:
    found = files.locate("ok.yaml", [place])
    assert found is not None
    (place / "ok.yaml").unlink()
    (place / "ok.yaml").symlink_to(place.parent / "outside/secret.yaml")
    with pytest.raises(BadRequest):
        files.read_confined(found, "ok.yaml")


def test_a_folder_swapped_for_a_symlink_after_the_look_is_not_followed(place: Path) -> None:
    found = files.locate("sub/ok.yaml", [place])
    assert found is not None
    (place / "sub").rename(place / "was")
    (place / "sub").symlink_to(place / "was")
    with pytest.raises(BadRequest):
        files.read_confined(found, "sub/ok.yaml")


def test_a_broken_file_is_invalid_with_its_place_and_no_absolute_path(place: Path) -> None:
    (place / "sub/bad.yaml").write_text("agents:\n  a: {comand: [ls]}")
    with pytest.raises(Invalid, match=r"agent_file sub/bad\.yaml:2:7: unknown key `comand`") as caught:
        catalog(place).from_file("sub/bad.yaml")
    assert str(place) not in caught.value.message


def test_a_file_that_cannot_be_read_says_so(place: Path) -> None:
    (place / "ok.yaml").chmod(0)
    if os.access(place / "ok.yaml", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(BadRequest, match="permission denied"):
        catalog(place).from_file("ok.yaml")


def test_no_descriptor_is_left_open(place: Path) -> None:
    here = catalog(place)
    before = len(os.listdir("/dev/fd"))
    for name in ("ok.yaml", "link.yaml", "fifo.yaml", "big.yaml", "sub", "nothing.yaml", "loop.yaml"):
        try:
            here.from_file(name)
        except BadRequest:
            continue
    assert len(os.listdir("/dev/fd")) == before

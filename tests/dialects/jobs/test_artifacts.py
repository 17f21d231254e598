"""What a run leaves can be listed and fetched, and nothing else can."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from praisonrun.core.errors import NotFound
from praisonrun.files import artifacts

from ...rigs.harness import Server

WRITER = """
agents:
  writer:
    command: ["{python}", -c, "import os\\nd=os.environ['PRAISONRUN_ARTIFACTS']\\nos.mkdir(d+'/sub')\\nopen(d+'/sub/a b.html','w').write('<script>')\\nopen(d+'/data.bin','wb').write(bytes(range(256))*4096)\\nos.symlink('/etc/passwd',d+'/link')\\nos.mkfifo(d+'/fifo')"]
    prompt: none
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "run"
    inside = root / "artifacts"
    (inside / "deep").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (inside / "a.txt").write_text("a")
    (inside / "deep" / "b.txt").write_text("bb")
    (inside / "link").symlink_to(tmp_path / "outside" / "secret")
    (inside / "dirlink").symlink_to(tmp_path / "outside")
    os.link(tmp_path / "outside" / "secret", inside / "hard")
    os.mkfifo(inside / "fifo")
    return root


@pytest.mark.scorecard(28)
def test_only_regular_files_are_listed(folder: Path) -> None:
    assert [(each.path, each.size) for each in artifacts.listed(folder)] == [("a.txt", 1), ("deep/b.txt", 2)]
    assert artifacts.listed(folder / "none") == []


def test_a_listed_file_opens(folder: Path) -> None:
    fd = artifacts.opened(folder, "deep/b.txt")
    assert os.read(fd, 9) == b"bb"
    os.close(fd)


@pytest.mark.scorecard(28)
@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "/", "/etc/passwd", "../a.txt", "../../outside/secret", "deep/../a.txt", "deep/..", "deep",
     "link", "dirlink/secret", "hard", "fifo", "none", "a.txt/", "a.txt/x", "deep//b.txt", "a\0.txt", "\udcff",
     "./a.txt", "deep/./b.txt", "x" * 5000],
)  # fmt: skip
def test_nothing_else_does(folder: Path, path: str) -> None:
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(NotFound):
        artifacts.opened(folder, path)
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.scorecard(28)
def test_a_folder_that_is_a_link_is_no_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(folder)
    assert artifacts.listed(tmp_path / "alias") == []


def test_over_the_wire(server: Server) -> None:
    server.agents.write_text(WRITER)
    run_id = server.submit("writer")
    assert server.ended(run_id)["status"] == "succeeded"
    with server.client() as client:
        shown = client.get(f"/api/v1/runs/{run_id}/artifacts").json()["artifacts"]
        assert [each["path"] for each in shown] == ["data.bin", "sub/a b.html"]
        page = client.get(shown[1]["url"])
        assert page.text == "<script>"
        assert page.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20b.html"
        assert page.headers["content-type"] == "application/octet-stream"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert client.get(shown[0]["url"]).content == bytes(range(256)) * 4096
        for path in ("link", "fifo", "..%2f..%2fpraisonrun.db", "none"):
            answer = client.get(f"/api/v1/runs/{run_id}/artifacts/{path}")
            assert answer.status_code == 404, path
            assert "artifact" in answer.json()["detail"]
        client.delete(f"/api/v1/runs/{run_id}")
        assert client.get(shown[0]["url"]).status_code == 404
    assert list((server.state / "runs").iterdir()) == []


DECLARED = """
agents:
  maker:
    command: ["{python}", -c, "import os\\nos.makedirs('out', exist_ok=True)\\nopen('out/report.txt','w').write('done')\\nos.symlink('/etc/passwd','out/link')"]
    prompt: none
    outputs: [out/report.txt, out/link, missing.txt]
"""


def test_a_declared_output_of_the_working_directory_stays_with_the_run(server: Server) -> None:
    server.agents.write_text(DECLARED)
    run_id = server.submit("maker")
    assert server.ended(run_id)["status"] == "succeeded"
    (server.agents.parent / "out" / "report.txt").write_text("changed later")
    with server.client() as client:
        shown = client.get(f"/api/v1/runs/{run_id}/artifacts").json()["artifacts"]
        assert [each["path"] for each in shown] == ["out/report.txt"]
        assert client.get(shown[0]["url"]).text == "done"
        there = client.get(f"/runs/{run_id}").json()["artifacts"]
        assert [(each["kind"], each["size"]) for each in there] == [("output", 4)]
        outputs = client.get(f"/v1/agent-deployments/maker/runs/ad{run_id}/outputs").json()["outputs"]
        assert [each["status"] for each in outputs] == ["available", "missing", "missing"]
        assert client.delete(f"/api/v1/runs/{run_id}").status_code == 204
    assert list((server.state / "runs").iterdir()) == []


RETRIED = """
agents:
  maker:
    command: ["{python}", -c, "import os,sys\\nn=os.environ['PRAISONRUN_ATTEMPT']\\nopen('report.txt','w').write('try '+n)\\nsys.exit(n!='2')"]
    prompt: none
    outputs: [report.txt]
    retries: 1
    backoff: 0.01
"""


def test_what_is_kept_is_the_last_attempt_s(server: Server) -> None:
    server.agents.write_text(RETRIED)
    run_id = server.submit("maker")
    assert server.ended(run_id)["attempt"] == 2
    with server.client() as client:
        (shown,) = client.get(f"/api/v1/runs/{run_id}/artifacts").json()["artifacts"]
        assert client.get(shown["url"]).text == "try 2"

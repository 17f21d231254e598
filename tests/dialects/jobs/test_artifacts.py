"""What a run leaves can be listed and fetched over the wire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ...rigs.harness import Server
from ...rigs.wire_rig import house

AGENTS = """
agents:
  writer:
    command: ["{python}", -c, "import os\\nd=os.environ['PRAISONRUN_ARTIFACTS']\\nos.mkdir(d+'/sub')\\nopen(d+'/sub/a b.html','w').write('<script>')\\nopen(d+'/data.bin','wb').write(bytes(range(256))*4096)\\nos.symlink('/etc/passwd',d+'/link')\\nos.mkfifo(d+'/fifo')"]
    prompt: none
  maker:
    command: ["{python}", -c, "import os\\nos.makedirs('out', exist_ok=True)\\nopen('out/report.txt','w').write('done')\\nos.symlink('/etc/passwd','out/link')"]
    prompt: none
    outputs: [out/report.txt, out/link, missing.txt]
  again:
    command: ["{python}", -c, "import os,sys\\nn=os.environ['PRAISONRUN_ATTEMPT']\\nopen('report.txt','w').write('try '+n)\\nsys.exit(n!='2')"]
    prompt: none
    outputs: [report.txt]
    retries: 1
    backoff: 0.01
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from house(tmp_path_factory.mktemp("artifacts"), AGENTS)


def left(server: Server, run_id: str) -> list[str]:
    """Return the names of a run's files."""
    return [path.name for path in (server.state / "runs").iterdir() if run_id in path.name]


def test_over_the_wire(server: Server) -> None:
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
    assert left(server, run_id) == []


def test_a_declared_output_of_the_working_directory_stays_with_the_run(server: Server) -> None:
    run_id = server.submit("maker")
    assert server.ended(run_id)["status"] == "succeeded"
    (server.home / "out" / "report.txt").write_text("changed later")
    with server.client() as client:
        shown = client.get(f"/api/v1/runs/{run_id}/artifacts").json()["artifacts"]
        assert [each["path"] for each in shown] == ["out/report.txt"]
        assert client.get(shown[0]["url"]).text == "done"
        there = client.get(f"/runs/{run_id}").json()["artifacts"]
        assert [(each["kind"], each["size"]) for each in there] == [("output", 4)]
        outputs = client.get(f"/v1/agent-deployments/maker/runs/ad{run_id}/outputs").json()["outputs"]
        assert [each["status"] for each in outputs] == ["available", "missing", "missing"]
        assert client.delete(f"/api/v1/runs/{run_id}").status_code == 204
    assert left(server, run_id) == []


def test_what_is_kept_is_the_last_attempt_s(server: Server) -> None:
    run_id = server.submit("again")
    assert server.ended(run_id)["attempt"] == 2
    with server.client() as client:
        (shown,) = client.get(f"/api/v1/runs/{run_id}/artifacts").json()["artifacts"]
        assert client.get(shown["url"]).text == "try 2"

"""What tests share: the agents that they run, an engine, a real server, ways to wait without sleeping."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil

from praisonrun import cli
from praisonrun.app import engine_of
from praisonrun.cli.local import end
from praisonrun.config.discovery import holder
from praisonrun.config.settings import Settings
from praisonrun.core.model import Snapshot
from praisonrun.engine.engine import Choice, Engine, Submit
from praisonrun.files.run_files import RunFiles
from praisonrun.process import spawner

from .processes import ids_of_living, kill_run

Json = Any
Engines = Callable[..., AbstractAsyncContextManager[Engine]]
"""Makes engines over one state directory, one after the other, as a restart would."""
AGENTS = """
default: echo
agents:
  hello: {command: ["{python}", -m, praisonrun.demo], timeout: 60}
  echo:  {command: ["{python}", -c, "import sys; print('got', sys.stdin.read())"], timeout: 60}
  quick: {command: ["/bin/true"], prompt: none, files: false}
  fail:  {command: ["{python}", -c, "import sys; print('no'); sys.exit(7)"], prompt: none}
  flaky: {command: ["{python}", -c, "import os,sys; print(os.environ['PRAISONRUN_ATTEMPT']); sys.exit(os.environ['PRAISONRUN_ATTEMPT'] != '3')"], retries: 2, backoff: 0.01}
  wait:  {command: ["{python}", -u, -c, "import sys; print('up', flush=True); import signal; signal.pause()"], prompt: none}
  until:
    # Prints a line, then waits until the file named by its prompt exists.
    command: ["{python}", -u, -c, "import os,sys,time\\nname=sys.stdin.read()\\nprint('up')\\nwhile not os.path.exists(name): time.sleep(0.01)\\nprint('done')"]
  stubborn: {command: ["{python}", -u, -c, "import signal\\nsignal.signal(15, signal.SIG_IGN)\\nprint('up')\\nwhile True: signal.pause()"], prompt: none, grace: 0.2}
  count: {command: ["{python}", -u, -c, "import sys\\nfor i in range(int(sys.stdin.read())): print('line', i)"]}
  lines: {command: ["{python}", -u, -c, "import sys,time\\nfor i in range(int(sys.stdin.read())):\\n print('line', i)\\n time.sleep(0.005)"]}
  env:   {command: ["{python}", -c, "import os,json; print(json.dumps(dict(os.environ)))"], prompt: none, env: {LITERAL: from-file}}
  needy: {command: ["{python}", -c, "import os; print(len(os.environ['SECRET']))"], prompt: none, env_required: [SECRET]}
  story:
    command: ["{python}", -u, -c, "import os,json\\nf=open(os.environ['PRAISONRUN_EVENTS'],'w',buffering=1)\\nprint(json.dumps({'percentage':50,'step':'half','steps_completed':1,'steps_total':2}),file=f)\\nprint('odd',file=f)\\nprint(json.dumps({'usage':{'input_tokens':3}}),file=f)\\njson.dump({'answer':42},open(os.environ['PRAISONRUN_RESULT_PATH'],'w'))\\nprint('told')"]
    prompt: none
  jsonl:
    command: ["{python}", -u, -c, "import json,sys\\np=sys.stdin.read()\\nprint(json.dumps({'type':'progress','percentage':10,'step':'s'}))\\nprint(json.dumps({'type':'delta','text':'he'}))\\nprint('plain')\\nif p!='none': print(json.dumps({'type':'result','result':{'p':p},**({'is_error':True,'error':'bad'} if p=='bad' else {})}))"]
    format: jsonl
  one:   {command: ["{python}", -u, -c, "import os,sys,time\\nname=sys.stdin.read()\\nprint('up')\\nwhile not os.path.exists(name): time.sleep(0.01)"], concurrency: 1}
  asks:
    # Sends its prompt's lines as events, and prints as many answers.
    command: ["{python}", -u, -c, "import os,sys,time\\nlines=sys.stdin.read().splitlines()\\nprint('up')\\nfor line in lines:\\n os.write(os.open(os.environ['PRAISONRUN_EVENTS'],os.O_WRONLY),line.encode()+b'\\\\n')\\nname,said=os.environ['PRAISONRUN_ANSWERS'],''\\nwhile said.count('\\\\n')<len(lines):\\n time.sleep(0.01)\\n said=open(name).read() if os.path.exists(name) else ''\\nprint(said,end='')"]
    grace: 0.2
  gone:  {command: [no-such-program-anywhere]}
  server: {mode: service, command: ["{python}", -m, http.server, "{port}"], port: auto}
"""


@asynccontextmanager
async def engine_in(state: Path, agents: Path, **settings: Any) -> AsyncIterator[Engine]:
    """Run an engine over a state directory inside this block; its runs go on after it."""
    made = Settings(state=state, agents=agents, **{"concurrency": 4, "min_free": 0, **settings})
    async with engine_of(made, spawner.start_exec(), os.environ) as engine:
        yield engine


async def submit(engine: Engine, agent: str, prompt: str = "x", **more: Any) -> str:
    """Submit a run and return its id."""
    shown, _ = await engine.submit(Submit(Choice(agent), prompt, **more))
    return shown.run.id


async def ran(engine: Engine, agent: str, prompt: str = "x", **more: Any) -> Snapshot:
    """Submit a run and return it once it is final."""
    return await engine.until_final(await submit(engine, agent, prompt, **more))


async def until(engine: Engine, run_id: str, holds: Callable[[Snapshot], bool]) -> Snapshot:
    """Return a run once something holds for it."""
    while True:
        bell = engine.bell(run_id)
        shown = await engine.get(run_id)
        if holds(shown):
            return shown
        await bell.wait()


async def pid_of(engine: Engine, run_id: str) -> int:
    """Return the pid of a run's agent once the engine knows it: its output may be there before."""
    return (await until(engine, run_id, lambda shown: shown.pid is not None)).pid or 0


def no_server(_: Settings) -> int:
    """Stand for the server where a command starts none."""
    raise AssertionError("this command starts no server")


def code_of(*words: str) -> int:
    """Run a command in this process; return its exit code."""
    try:
        return cli.main(no_server, words)
    except SystemExit as left:
        return int(left.code or 0)


@contextmanager
def swept(state: Path) -> Iterator[None]:
    """End the server that a command has started on a state directory inside this block."""
    try:
        yield
    finally:
        if (pid := holder(state)) is not None:
            assert end(state, pid)


def alive(pid: int | None) -> bool:
    """Say whether a process does anything yet; one that only waits to be reaped does not."""
    assert pid is not None
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


CHANCE = random.SystemRandom()


def free_port() -> int:
    """Return a free port that the system gives to nobody else: a server that is started again needs its own."""
    while True:
        with (
            suppress(OSError),
            socket.create_server(("127.0.0.1", CHANCE.randrange(12_000, 32_000))) as found,
        ):
            return int(found.getsockname()[1])


class Server:
    """`praisonrun serve` as a child process, which can be killed and started again on its port."""

    def __init__(self, home: Path, agents: Path, *flags: str) -> None:
        self.home, self.state, self.agents, self.flags = home, home / "state", agents, flags
        self.program = [sys.executable, "-m", "praisonrun"]
        self.environ = {name: text for name, text in os.environ.items() if not name.startswith("PRAISONRUN_")}
        self.port = 0
        self.process: subprocess.Popen[str] | None = None
        self.said: list[str] = []

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        files = RunFiles(self.state)
        ids = set(files.ids_on_disk())
        for run_id in ids & ids_of_living():
            kill_run(run_id)
        for run_id in ids:
            files.remove_scratch(run_id)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *flags: str) -> None:
        """Start it and return when it answers."""
        self.port = self.port or free_port()
        command = [*self.program, "serve", "--port", str(self.port)]
        command += ["--state", str(self.state), "--agents", str(self.agents), "--min-free", "0"]
        self.process = subprocess.Popen(
            [*command, *self.flags, *flags],
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=self.environ,
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"listens on http://[^:]+:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            raise AssertionError(f"the server did not start: {self.said}")
        with self.client() as client:  # it listens from before it says so
            assert client.get("/healthz").status_code == 200

    def kill(self) -> None:
        """kill -9, as a crash would."""
        self.stop(signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end. Returns the exit code."""
        if self.process is None:
            return 0
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        code = self.process.wait(20)
        assert self.process.stderr is not None
        self.said += self.process.stderr.readlines()
        self.process.stderr.close()
        self.process = None
        return code

    @contextmanager
    def client(self, **settings: Any) -> Iterator[httpx2.Client]:
        # Certificates cost 20 ms, and there are none on loopback.
        with httpx2.Client(base_url=self.url, timeout=30, verify=False, **settings) as client:
            yield client

    def submit(self, agent: str, prompt: str = "x", **more: Json) -> str:
        """Submit a run over HTTP and return its id."""
        with self.client() as client:
            answer = client.post("/api/v1/runs", json={"agent": agent, "prompt": prompt, **more})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def ended(self, run_id: str) -> Json:
        """Return the status object once the run is final: the stream closes then."""
        with self.client() as client:
            client.get(f"/api/v1/runs/{run_id}/stream")
            return client.get(f"/api/v1/runs/{run_id}").json()


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Sse:
    """One reading of a stream: events as (id, name, data)."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[tuple[int | None, str, Json]]:
        fields: dict[str, str] = {}
        for line in self._lines:
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                data = fields["data"]
                found: Json = data if data == "[DONE]" else json.loads(data)
                if (
                    isinstance(found, dict) and {"event", "ts"} <= found.keys()
                ):  # of the jobs dialect, where each event has its time
                    assert TIME.fullmatch(found.pop("ts"))
                yield int(fields["id"]) if "id" in fields else None, fields.get("event", ""), found
                fields = {}

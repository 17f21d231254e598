"""The operations that are cut off at every point: what they start from, do, and must leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from ..rigs import repositories
from ..rigs.zoo import Receiver
from .crash_points import CALLS, PRINTED, CutWorld, Missed, Operation, ServerOperation
from .inject import Traced, shims, spawner, threads
from .world import PATIENCE

Json = Any


class Submit(ServerOperation):
    """A run joins the queue: its agent's only slot is another's."""

    agent = "alone"

    def prepare(self) -> None:
        super().prepare()
        self.fresh()
        self._holder = self.gate
        self.submitted()
        self.until_ready()

    def act(self) -> None:
        self.submit()

    def check(self) -> None:
        self.submitted()  # by its key: once, whatever was acknowledged
        shown = self.world.ask("GET", f"/api/v1/runs/{self.run_id}").json
        assert shown["status"] == "queued", shown
        self.gate.touch()

    def settle(self) -> None:
        self._holder.touch()
        for run_id in self.known:
            self.ended(run_id)


class Start(ServerOperation):
    """A run is born claimed, gets its journal and a shim, and its agent starts."""

    def act(self) -> None:
        self.submitted()
        self.until_ready()

    def check(self) -> None:
        self.submitted()
        self.gate.touch()
        self.ended(self.run_id)


class Finish(ServerOperation):
    """A run's agent ends, with a result and an artifact."""

    def ready(self) -> None:
        super().ready()
        self.submitted()
        self.until_ready()

    def act(self) -> None:
        self.gate.touch()
        self.world.ask("GET", f"/api/v1/runs/{self.run_id}/stream")
        self.world.ask("GET", f"/api/v1/runs/{self.run_id}")

    def check(self) -> None:
        self.ended(self.run_id)


class Tree(ServerOperation):
    """A run in a worktree of its own: it is made, and its agent starts."""

    agent = "tree"
    calls = tuple(call for call in CALLS if call != "openat")  # a look at each file would be a point

    def prepare(self) -> None:
        self.repository = repositories.make(self.world.home / "repository")
        self._before = repositories.state_of(self.repository)
        super().prepare()

    def submit(self, **more: Json) -> Any:
        return super().submit(cwd=str(self.repository), **more)

    def act(self) -> None:
        self.submitted()
        self.until_ready()

    def check(self) -> None:
        self.submitted()
        self.gate.touch()
        self.ended(self.run_id)

    def ended(self, run_id: str) -> None:
        super().ended(run_id)
        shown = self.world.ask("GET", f"/api/v1/runs/{run_id}").json["worktree"]
        branch = f"praisonrun/{run_id.removeprefix('run_')}"
        told = (branch, 1, None, None)
        assert tuple(shown[key] for key in ("branch", "files", "path", "error")) == told, shown
        git = partial(repositories.git, self.repository)
        assert git("rev-parse", branch) == shown["commit"]
        assert git("log", "--format=%an", f"main..{branch}") == "praisonrun"
        assert git("diff", "--name-only", "main", branch) == "made"
        artifacts = self.world.ask("GET", f"/api/v1/runs/{run_id}/artifacts").json["artifacts"]
        assert {each["path"] for each in artifacts} == {"left", "changes.patch"}
        self._nothing_left()

    def _nothing_left(self) -> None:
        """See that what is removed after the row is stored goes, too; nothing tells of that."""
        give_up = time.monotonic() + PATIENCE
        left = self.world.state / "worktrees"
        while any(left.iterdir()) or repositories.linked(self.repository):
            assert time.monotonic() < give_up, list(left.iterdir())
            time.sleep(0.01)
        assert repositories.state_of(self.repository) == self._before
        names = repositories.git(
            self.repository, "for-each-ref", "--format=%(refname)", "refs/heads/praisonrun"
        )
        assert len(names.splitlines()) <= len(self.known), names


class Kept(Tree):
    """Its agent ends: the worktree becomes a branch and a patch, and is removed."""

    def ready(self) -> None:
        super().ready()
        self.submitted()
        self.until_ready()

    def act(self) -> None:
        self.gate.touch()
        self.world.ask("GET", f"/api/v1/runs/{self.run_id}/stream")
        self.world.ask("GET", f"/api/v1/runs/{self.run_id}")


class Deliver(Finish):
    """A run ends and the webhook that it owes is delivered."""

    calls = tuple(call for call in CALLS if call != "openat")  # the first delivery of a server imports much

    def __init__(self, world: CutWorld, receiver: Receiver) -> None:
        super().__init__(world)
        self.receiver = receiver

    def submit(self, **more: Json) -> Any:
        return super().submit(webhook_url=self.receiver.url, **more)

    def act(self) -> None:
        super().act()
        self.until_delivered()

    def check(self) -> None:
        super().check()
        delivery = self.until_delivered()
        ids = [got.headers["webhook-id"] for got in self.receiver.got if self.run_id.encode() in got.body]
        assert set(ids) == {delivery["id"]}, (ids, delivery)
        self.ends["sent once" if len(ids) == 1 else "sent again under its id"] += 1

    def until_delivered(self) -> Json:
        """Return the only delivery of the run once it is done; nothing tells of that."""
        while True:
            (delivery,) = self.world.ask("GET", f"/api/v1/runs/{self.run_id}/deliveries").json["deliveries"]
            if delivery["state"] != "pending":
                assert delivery["state"] == "delivered", delivery
                return delivery


class Delete(Deliver):
    """A run is deleted, with its journal, its files, its key and what it owed."""

    calls = CALLS

    def ready(self) -> None:
        super().ready()
        Deliver.act(self)

    def act(self) -> None:
        self.acknowledged = False
        answer = self.world.ask("DELETE", f"/api/v1/runs/{self.run_id}")
        assert answer.status == 204, answer
        self.acknowledged = True

    def check(self) -> None:
        path = f"/api/v1/runs/{self.run_id}"
        status = self.world.ask("GET", path).status
        assert status == 404 if self.acknowledged else status in (200, 404), status
        if status == 200:
            for part in ("/logs", "/result", "/events", "/artifacts", "/deliveries"):
                assert self.world.ask("GET", path + part).status < 500, part
            assert self.world.ask("DELETE", path).status == 204
        assert self.world.ask("GET", path).status == 404
        assert not list((self.world.state / "runs").glob(f"{self.run_id}*")), "files were left"
        self.known.remove(self.run_id)


class Prune(Operation):
    """Retention removes runs; here by a program of its own, since a server waits a minute before it does."""

    calls = tuple(call for call in CALLS if call not in ("openat", "sendto"))  # it imports much

    def prepare(self) -> None:
        self.fresh()
        self.submitted()  # lives, and so is never removed
        self.until_ready()
        self._living = self.gate

    def ready(self) -> None:
        old = []
        for _ in range(3):
            super().ready()
            self.gate.touch()
            old.append(self.submitted())
        for run_id in old:
            self.ended(run_id)
        self.known = [self.known[0], *old]
        self.world.kill()
        command = [sys.executable, str(Path(__file__).with_name("pruner.py")), str(self.world.state)]
        self._pruner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._pruner.stdout is not None
        assert self._pruner.stdout.readline() == b"ready\n"

    def targets(self) -> dict[str, list[int]]:
        return threads(self._pruner.pid)

    def act(self) -> None:
        self._pruner.communicate(timeout=PATIENCE)

    def killed(self, _: Traced) -> bool:
        self.world.start()
        return self._pruner.returncode != 0

    def check(self) -> None:
        if self.world.process is None:
            self.world.start()
        there = {run["job_id"] for run in self.world.everything()}
        assert self.known[0] in there
        for run_id in self.known[1:]:
            path = f"/api/v1/runs/{run_id}"
            assert self.world.ask("GET", path).status == (200 if run_id in there else 404)
            if run_id in there:
                assert self.world.ask("GET", f"{path}/result").status < 500
                assert self.world.ask("DELETE", path).status == 204
        self.known = self.known[:1]

    def settle(self) -> None:
        self._living.touch()
        self.ended(self.known[0])


class Attempt(Operation):
    """A shim takes a run and sees its agent to the end; it is the shim that is killed."""

    def ready(self) -> None:
        super().ready()
        self.gate.touch()
        self.known.append(self.world.submitted("true"))  # leaves an idle shim, which takes the next run
        self.world.final(self.known[-1])

    def targets(self) -> dict[str, list[int]]:
        assert self.world.process is not None
        self._shim = shims(self.world.process.pid)[-1]
        return {"shim": [self._shim]}

    def act(self) -> None:
        self.submitted(retries=3)
        self.world.final(self.run_id)

    def killed(self, traced: Traced) -> bool:
        if traced.killed():
            return True
        if self.world.tail(self.run_id)["shim"] != self._shim:
            raise Missed
        return False

    def check(self) -> None:
        world, run_id = self.world, self.run_id
        shown = world.final(run_id)
        assert shown["attempt"] == 1, "a lost run was tried again"
        if shown["status"] == "succeeded":
            self.ended(run_id)
        else:
            assert (shown["status"], shown["failure"]) == ("failed", "lost"), shown
            assert PRINTED.startswith(world.logs(run_id))
        assert run_id not in world.marked().values(), "an agent was left behind"
        self.ends[shown["failure"] or shown["status"]] += 1
        assert world.ask("DELETE", f"/api/v1/runs/{run_id}").status == 204
        self.known.remove(run_id)


class HandOver(Operation):
    """A run is handed to a new shim; it is the spawner that is killed."""

    calls = ("recvmsg", "sendmsg", "socketpair", "clone", "close", "rt_sigprocmask")

    def ready(self) -> None:
        super().ready()
        self.known.append(self.world.submitted("true"))  # has a new spawner made, if need be
        self.world.final(self.known[-1])
        assert self.world.process is not None
        for shim in shims(self.world.process.pid):
            os.kill(shim, signal.SIGTERM)

    def targets(self) -> dict[str, list[int]]:
        assert self.world.process is not None
        return {"spawner": [spawner(self.world.process.pid)]}

    def act(self) -> None:
        self.submitted()
        self.until_ready()

    def killed(self, traced: Traced) -> bool:
        return traced.killed()

    def check(self) -> None:
        self.gate.touch()
        self.ended(self.run_id)

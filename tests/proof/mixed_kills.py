"""The kill loop with everything that may be killed, while the state directory is copied and moved."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections import Counter
from contextlib import suppress

from .kill_loop import KillLoop
from .shim_kills import kill_spawner
from .world import World


class MixedKills(KillLoop):
    """A killer with more ideas; each counts how often it came."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(world, seed)
        self.fired: Counter[str] = Counter()

    def _kill(self, kills: int) -> None:
        chance = random.Random(f"{self.seed} mixed")
        ideas = (
            self._server,
            self._spawner,
            self._shims,
            self._copy,
            self._adopt_a_copy,
            self._move,
        )
        for number in range(kills):
            self._until_acknowledged(chance.randrange(12))
            idea = ideas[number % len(ideas)] if number < len(ideas) else chance.choice(ideas)
            self.fired[idea.__name__] += 1
            idea(chance)

    def _server(self, chance: random.Random) -> None:
        self.world.kill()
        self.figures.kills += 1
        if chance.random() < 0.5:
            self._shims(chance)
        self.world.start()

    def _spawner(self, _chance: random.Random) -> None:
        with suppress(ValueError):  # it is being replaced
            kill_spawner(self.world)

    def _shims(self, chance: random.Random) -> None:
        held = sorted(self.world.holders())
        for pid in chance.sample(held, min(2, len(held))):
            self.killed.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _copy(self, _chance: random.Random) -> None:
        ended = self._serve_copy()
        assert (ended.returncode, "is a copy of" in ended.stderr) == (2, True), ended

    def _adopt_a_copy(self, _chance: random.Random) -> None:
        """What runs or waits in the copy ends there, and lives on in the original: the clients see to it."""
        ended = self._serve_copy("--adopt")
        assert ended.returncode in (0, -signal.SIGTERM), ended

    def _serve_copy(self, *flags: str) -> subprocess.CompletedProcess[str]:
        """Have a server look at a copy of the live directory, and stop it once it serves."""
        world, copy = self.world, self.world.home / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        with suppress(shutil.Error):  # files go while they are copied
            shutil.copytree(world.state, copy, ignore=shutil.ignore_patterns("bell", "server.*"))
        command = [
            *world.program,
            "serve",
            "--port",
            "0",
            "--state",
            str(copy),
            "--agents",
            str(world.agents),
        ]
        with subprocess.Popen(
            [*command, *flags], stderr=subprocess.PIPE, text=True, env=world.environ, cwd=world.home
        ) as server:
            assert server.stderr is not None
            said = ""
            for line in server.stderr:
                said += line
                if "listens on" in line:
                    server.terminate()
            return subprocess.CompletedProcess(command, server.wait(), "", said)

    def _move(self, chance: random.Random) -> None:
        if chance.random() < 0.5:
            self.world.kill()
        else:
            self.world.stop()
        self.world.state = self.world.state.rename(self.world.home / f"moved-{chance.getrandbits(32):x}")
        self.world.start()

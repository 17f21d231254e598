"""Removes every final run of a state directory by its age, once its standard input is closed."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from praisonrun.core import clock
from praisonrun.engine.ages import Ages
from praisonrun.engine.retention import Keep, Retention
from praisonrun.files.run_files import RunFiles
from praisonrun.store import Store


async def main(state: Path) -> None:
    """Be the program."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))  # whose thread can be known
    async with Store.open(state) as store:
        await asyncio.to_thread(print, "ready", flush=True)  # has its threads, and no server has the state
        sys.stdin.read()
        ages = Ages(state.parent, "boot", lambda: clock.now() + 2 * 86_400_000_000)
        await Retention(store, RunFiles(state), ages, Keep(days=1)).prune()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

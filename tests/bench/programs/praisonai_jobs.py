"""PraisonAI's own jobs server with a job that does nothing: PORT, SLOTS, and the database unless in memory.

Run by an interpreter that has `praisonai`. A job whose prompt is `park` stays until the server ends.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvicorn
from praisonai.jobs.executor import JobExecutor
from praisonai.jobs.server import create_app
from praisonai.jobs.store import InMemoryJobStore, SqliteJobStore

NO_LIMIT = 10**9


async def nothing(job: Any) -> str:
    """Be the agent."""
    if job.prompt == "park":
        await asyncio.Event().wait()
    return "x"


def main(port: str, slots: str, database: str = "") -> None:
    """Serve until killed, with every limit raised that would refuse or forget jobs."""
    store = SqliteJobStore(path=database) if database else InMemoryJobStore(max_jobs=NO_LIMIT)
    executor = JobExecutor(store=store, max_concurrent=int(slots), max_queued=NO_LIMIT)
    executor._run_agent = nothing
    uvicorn.run(create_app(store, executor), port=int(port), log_level="critical", access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])

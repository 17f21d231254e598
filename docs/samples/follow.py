"""Submit a run and print what its agent prints. The server may stop and start meanwhile. Needs Python alone.

python3 follow.py http://127.0.0.1:8005 hello "Say hello to the world"
"""

import json
import sys
import time
import urllib.error
import urllib.request

server, agent, prompt = sys.argv[1:]


def opened(path, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    headers["Content-Type"] = "application/json"
    return urllib.request.urlopen(urllib.request.Request(server + path, data, headers), timeout=60)


def events(run_id):
    """Yield a run's events, each once, to the last. A heartbeat comes every 15 s, before the timeout."""
    last = 0
    while True:
        try:
            path = f"/api/v1/runs/{run_id}/stream?after={last}"
            with opened(path, Accept="application/x-ndjson") as stream:
                for line in stream:
                    event = json.loads(line)
                    if event["event"] == "heartbeat":
                        continue
                    yield event
                    last = event["id"]
                    if event["event"] == "complete":
                        return
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):  # anything else will not mend itself
                raise
        except (OSError, json.JSONDecodeError):
            pass  # the server is away, or left in the middle of a line
        time.sleep(1)


with opened("/api/v1/runs", {"agent": agent, "prompt": prompt}) as answer:
    run = json.load(answer)
for event in events(run["job_id"]):
    if event["event"] == "log" and event["data"]["stream"] == "stdout":
        print(event["data"]["text"], end="", flush=True)
sys.exit(event["data"]["status"] != "succeeded")

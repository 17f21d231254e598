"""Does all that an agent can do with its files, before and after the file that its prompt names is there."""

import json
import os
import sys
import time


def main() -> None:
    """Be the agent."""
    run, attempt = os.environ["PRAISONRUN_RUN_ID"], os.environ["PRAISONRUN_ATTEMPT"]
    starts = os.open(os.environ["STARTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(starts, f"{run} {attempt} {os.getpid()}\n".encode())
    gate = sys.stdin.read()
    os.write(1, b"ready\n")
    while not os.path.exists(gate):
        time.sleep(0.01)
    with open(os.environ["PRAISONRUN_EVENTS"], "w") as events:
        print(json.dumps({"percentage": 50}), file=events)
    with open(f"{os.environ['PRAISONRUN_ARTIFACTS']}/left", "w") as artifact:
        artifact.write("left")
    if name := os.environ.get("LEAVES"):
        with open(name, "w") as left:
            left.write(gate)
    with open(os.environ["PRAISONRUN_RESULT_PATH"], "w") as result:
        json.dump({"gate": gate}, result)
    os.write(1, b"done\n")


if __name__ == "__main__":
    main()

"""Reads its input, sends events, leaves a result, an artifact and some dirt."""

import json
import os

env = os.environ
with open(env["PRAISONRUN_INPUT_PATH"]) as file:
    given = json.load(file)
with open(env["PRAISONRUN_EVENTS"], "w") as events:
    for number in range(3):
        print(json.dumps({"progress": number}), file=events, flush=True)
    print(json.dumps({"progress": "x" * 100_000}), file=events, flush=True)
    print("x" * 1_500_000, file=events, flush=True)
    print(json.dumps({"progress": "last"}), end="", file=events, flush=True)
with open(env["PRAISONRUN_RESULT_PATH"], "w") as file:
    json.dump({"given": given}, file)
with open(env["PRAISONRUN_ARTIFACTS"] + "/report.txt", "w") as file:
    file.write("kept")
deep = env["PRAISONRUN_SCRATCH"]
for _ in range(50):
    deep += "/" + "d" * 20
    os.mkdir(deep)
os.symlink("/etc", deep + "/link")
os.chmod(deep, 0o500)

"""Short histories for the engine's model: together they fire every rule and branch, whatever chance does."""

from __future__ import annotations

from typing import Any

from .engine_model import Engine

Step = tuple[str, dict[str, Any]]


def _begin(*agents: str, pidfds: bool = True) -> Step:
    return "begin", {"pidfds": pidfds, "agents": list(agents)}


def _submit(agent: str, count: int = 1, **more: Any) -> Step:
    given = {"hook": False, "session": None, "at_an_end": None, "crash": None}
    return "submit", {"agent": agent, "count": count, **given, **more}


def _key(name: str, payload: str) -> Step:
    return "submit_with_key", {"name": name, "payload": payload, "count": 1, "crash": None}


def _cancel(*, which: int = 1, ended: int | None = None, crash: int | None = None) -> Step:
    return "cancel", {"which": which, "wait": False, "ended": ended, "crash": crash}


def _manage(what: str) -> Step:
    return "manage", {"which": 0, "what": what, "crash": None}


def _queue(what: str, agent: str | None = None, crash: int | None = None) -> Step:
    return "queue", {"agent": agent, "what": what, "crash": crash}


def _serve(agent: str) -> Step:
    return "serve", {"agent": agent, "crash": None}


def _restart(at_an_end: int | None = None) -> Step:
    return "restart", {"which": 0, "count": 1, "at_an_end": at_an_end, "crash": None}


def _ends(reason: str = "exited", code: int | None = 0, says: bool | None = None) -> Step:
    return "ends", {"which": 0, "end": (reason, code), "says": says}


def _others(**these: Any) -> Step:
    well = {
        "slow": "no",
        "deaf": False,
        "doomed": 0,
        "refusals": "no",
        "status": 200,
        "answers": True,
        "removing": 0.0,
    }
    return "others_are", {**well, **these}


def _fails(fault: str, count: int = 1) -> Step:
    return "disk_fails", {"fault": fault, "count": count}


def _now(what: str, lose: int = 0, *, zeros: bool = False) -> Step:
    return "misfortune", {"what": what, "lose": lose, "zeros": zeros}


def _time(seconds: float) -> Step:
    return "time_passes", {"seconds": seconds}


def _installs(*, well: bool) -> Step:
    return "installs", {"well": well}


_KILL: Step = ("shim_is_killed", {"which": 0, "torn": b"\x01" * 30})
_UP: Step = ("server_comes", {})
_WATCH: Step = ("watch", {"which": 0})
_CHILD: Step = ("submit_children", {"which": 1, "count": 1, "crash": None})
_LOOK: Step = ("look", {"status": None, "agent": None, "session": None, "size": 7, "mode": None})
_PRINT: Step = ("prints", {"which": 0, "data": b"x"})

STORIES: dict[str, list[Step]] = {
    "an install is tried again, and cancelled": [
        _begin("made"), _installs(well=False), _time(20), _installs(well=False), _submit("made"), _cancel(),
        _submit("made"), _installs(well=True), _ends(),
    ],
    "a shim dies before its install": [_begin(), _others(doomed=1), _submit("made"), _time(3)],
    "both shims of an attempt die": [_begin(), _others(doomed=2), _submit("made", 2), _time(3)],
    "a start is refused, and works in the end": [
        _begin("needy", "web", "made"), _others(refusals="not_started"), _submit("plain"), _submit("needy"),
        _serve("web"), _ends(), _time(3), _cancel(), _now("crash"), _UP, _time(45), _others(), _time(45),
    ],
    "a start is refused for ten minutes": [
        _begin(), _others(refusals="not_started"), _submit("again"), *[_time(45)] * 16,
    ],
    "a start is refused for good": [
        _begin(), _others(refusals="spawn_failed"), _submit("kept"), _serve("web"), _serve("site"),
    ],
    "a shim dies while no server is up": [
        _begin(), _others(slow="spec"), _submit("plain"), _now("crash"), _others(doomed=1), _time(1), _UP,
    ],
    "a queued service of an earlier server is cancelled": [
        _begin("plain", "plain", "plain"), _others(slow="spec"), _serve("web"), _now("crash"),
        _others(doomed=1), _time(1), _UP, _now("crash"), _UP, _cancel(which=3),
    ],
    "it is restarted, and its shim dies again": [
        _begin("plain", "plain", "plain"), _others(slow="spec"), _serve("web"), _now("crash"),
        _others(doomed=1), _time(1), _UP, _cancel(which=3), _others(slow="spec"), _restart(), _now("crash"),
        _others(doomed=1), _time(1), _UP,
    ],
    "a restarted service's shim dies, and the one before it died in mid-frame": [
        _begin("web"), _KILL, _others(doomed=1), _restart(), _others(), _time(1),
    ],
    "a service is cancelled before it starts, and its scratch is removed slowly": [
        _begin(), _others(slow="spec"), _serve("web"), _cancel(which=0), _others(doomed=1, removing=1.0),
    ],
    "slow shims": [_begin(), _others(slow="spec"), _submit("plain"), _others(slow="agent"), _time(1)],
    "a shim is deaf": [_begin("plain"), _others(deaf=True), _cancel(), _CHILD, _time(1), _others()],
    "found again": [_begin("plain", "plain"), _now("crash"), _UP, _cancel(), _cancel()],
    "found again and gone": [
        _begin("plain", "plain", "plain"), _now("crash"), _UP, *[_cancel(ended=turns) for turns in (0, 1, 2)],
    ],
    "found again without pidfds": [_begin("plain", pidfds=False), _now("stop"), _UP, _cancel()],
    "ends": [
        _begin("plain", "plain", "plain", "jsonl", "jsonl", "jsonl"),
        _WATCH, _PRINT, _LOOK, _KILL, _ends("exited", 3),
        _ends("timed_out", None), _ends(says=True), _ends(says=False), _ends(), _time(20),
        _ends(says=False), _ends(),
        _submit("plain"), _ends("idle_timed_out", None), _submit("kept"), _ends("exited", 3),
    ],
    "a power cut": [_begin("plain", "jsonl"), _now("reboot", 20), _UP],
    "a power cut leaves zeros": [_begin("plain", "jsonl"), _now("reboot", 20, zeros=True), _UP],
    "envs are lost": [_begin("plain", "plain", "plain", "needy"), _now("stop"), _UP, _ends(), _time(1)],
    "services": [
        _begin(), _serve("web"), _time(3), _ends(), _restart(), _others(removing=1.0), _restart(3),
        _time(3),
        _others(removing=5.0), _restart(10), _time(20),
    ],
    "a service that answers": [_begin("site"), _installs(well=True), _time(3), _ends()],
    "a service that does not": [_begin("site"), _others(answers=False), _installs(well=True), _time(20)],
    "scratch cannot be removed": [_begin(), _serve("web"), _fails("scratch was not removed"), _ends()],
    "too much": [_begin(), *[_submit("plain", 4)] * 5],
    "keys": [_begin(), _key("a", "x"), _key("a", "x"), _key("a", "y")],
    "held, retried, deleted": [
        _begin(), _submit("plain", held=True), _manage("release"), _ends(), _manage("retry"),
        _manage("delete"),
        _ends(), _now("sleep"), _now("sleep long"), _now("prune"),
    ],
    "receivers": [
        _begin("plain", "plain", "plain"), _others(status=500), _ends(), _others(status=0), _ends(),
        _others(), _ends(),
    ],
    "receivers hang at the end": [
        _begin("plain"), _others(status=500), _ends(), _time(20), _time(10), _others(status=0), _time(3),
    ],
    "a lock of a run that was found again is not seen": [
        _begin("plain"), _now("crash"), _UP, _fails("a lock was not seen"), _cancel(),
    ],
    "a lock of a service that was found again is not seen by who restarts it": [
        _begin("web"), _now("crash"), _UP, _fails("a lock was not seen", 2), _restart(at_an_end=0),
    ],
    "reads and writes fail": [
        _begin("plain"), _fails("a read failed"), _LOOK, _fails("a write failed"), _submit("plain"),
        _time(3),
    ],
    "versions are not read": [
        _begin(*["plain"] * 5), _now("stop"), _fails("a version was not read", 5), _UP, _ends(), _ends(),
        _time(3),
    ],
    "whether it is installed is not read": [
        _begin(), _fails("a version was not read"), _submit("made"), _time(3),
    ],
    "an install goes on whose version is not read": [
        _begin("site"), _now("crash"), _fails("a version was not read"), _UP, _serve("site"), _time(3),
    ],
    "an install waits for none whose version is not read": [
        _begin("plain", "site", "site", pidfds=False), _fails("a version was not read"), _now("crash"), _UP,
        ("installs", {"well": True}), _time(3),
    ],
    "files fail": [
        _begin(), _fails("a journal was not made"), _submit("plain"), _fails("a spec was not made"),
        _submit("made"),
        _time(1), _submit("plain"), _fails("a lock was not seen"), _KILL,
    ],
    "pauses": [
        _begin("plain"), _queue("pause", "plain"), _submit("plain"), _submit("again"), _ends(), _ends(),
        _queue("pause"), _submit("again"), _serve("web"), _queue("resume", "again"), _now("crash"), _UP,
        _queue("resume"), _time(3), _fails("a write failed"), _queue("pause"), _submit("again"), _time(3),
        _queue("pause", crash=2), _UP, _submit("plain"), _queue("resume", crash=2), _UP,
    ],
    "crashes": [_begin("plain"), _cancel(crash=1), _UP, _submit("plain", crash=30), _UP],
}  # fmt: skip


def tell(story: list[Step]) -> None:
    """Live a history, and look after each step at all that must hold."""
    engine = Engine()
    try:
        for rule, given in story:
            getattr(engine, rule)(**given)
            engine.all_is_well()
    finally:
        engine.teardown()

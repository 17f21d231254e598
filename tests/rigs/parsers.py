"""Every parser of what strangers, agents and broken disks say: what it may answer, whatever it is given.

A row of PARSERS is a strategy and a check; the check fails on any answer but a value or a refusal of ours.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pydantic
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from praisonrun.agents import document
from praisonrun.agents.yamltext import parse as parse_yaml
from praisonrun.core.agent import Agent
from praisonrun.core.delivery import Reach
from praisonrun.core.errors import BadRequest, ConfigError, Invalid, PraisonrunError, Unavailable
from praisonrun.core.json import dumps
from praisonrun.core.model import Mode, Run, Snapshot, Status
from praisonrun.dialects.jobs import queries as jobs_queries
from praisonrun.dialects.nullspace import executions as deployments_executions
from praisonrun.dialects.nullspace import models as deployments_models
from praisonrun.dialects.nullspace import words as deployment_words
from praisonrun.dialects.nullspace.logs import Log
from praisonrun.dialects.veryfront import models as canonical_models
from praisonrun.engine.request import new_suffix
from praisonrun.files.run_files import RunFiles
from praisonrun.journal import format as journal
from praisonrun.journal.format import HEAD_SIZE, MAX_PAYLOAD, START, Kind
from praisonrun.journal.formats import FORMATS, frame_events
from praisonrun.journal.last_lines import last_lines
from praisonrun.journal.reader import Reader
from praisonrun.journal.results import last_words, result
from praisonrun.journal.writer import Journal
from praisonrun.web.edge import Edge
from praisonrun.web.errors import respond
from praisonrun.web.head import Token
from praisonrun.web.requests import last_event_id, parse_object, read_query
from praisonrun.webhooks import Own, policy, reach_of, schedule

Check = Callable[[Any], None]
PATIENCE = 2.0
"""Seconds of the processor that one parse may take; the largest inputs here take milliseconds."""
QUERIES = [
    model
    for module in (jobs_queries, canonical_models, deployments_models)
    for name, model in sorted(vars(module).items())
    if name.endswith("Query") and isinstance(model, type) and issubclass(model, pydantic.BaseModel)
]
HOST, TOKEN = b"127.0.0.1:8005", "t0ken-of-ours"
YAML = """
default: hello
env_pass: [OPENAI_*]
agents:
  hello: {command: ["{python}", -m, x, "{prompt}"], prompt: arg, timeout: 60, env: {A: "1"}, retries: 1}
  web: {mode: service, command: [x, "{port}"], port: auto, readiness: {type: http, path: /}}
"""
CREW = "framework: praisonai\nroles:\n  r: {role: a, goal: b, backstory: c, tasks: {t: {description: d}}}\n"
JSON = '{"type": "progress", "percentage": 4e1, "step": "s", "usage": {"a": 1}, "text": "\\ud83d\\ude00"}'
URLS = ["http://127.0.0.1:9000/hook?a=b", "https://[::1]:443", "http://0x7f.1/", "https://bücher.example:8/ü"]


def near(*samples: str) -> st.SearchStrategy[str]:
    """Text, or a sample with some parts of it replaced by others."""
    bits = st.text(max_size=6) | st.sampled_from(
        [
            "\0",
            "\r",
            "\ud800",
            "\ufeff",
            "\U0001f600",
            "&a ",
            "*a",
            "<<: ",
            "!!x ",
            "[[[[",
            "{",
            "- ",
            ": ",
            "9" * 400,
            "%",
            "@",
        ]
    )
    edit = st.tuples(st.floats(0, 1), st.integers(0, 12), bits)
    edited = st.builds(_edited, st.sampled_from(samples), st.lists(edit, max_size=4))
    return edited | st.text()


def _edited(sample: str, edits: list[tuple[float, int, str]]) -> str:
    for place, gone, bit in edits:
        at = int(place * len(sample))
        sample = sample[:at] + bit + sample[at + gone :]
    return sample


def header(*samples: str) -> st.SearchStrategy[bytes]:
    """What a header may hold once httptools has passed it: any bytes but a line's end."""
    return near(*samples).map(lambda text: re.sub(rb"[\r\n\0]", b"", text.encode("utf-8", "replace")))


def asked(headers: list[tuple[bytes, bytes]] | None = None, query: bytes = b"") -> Request:
    """A request as far as parsers look at it."""
    return Request({"type": "http", "headers": headers or [], "query_string": query, "path": "/"})


def refused(work: Callable[[], Any], *kinds: type[Exception]) -> Any:
    """Return what it came to, or the refusal, which every wire can show."""
    try:
        return work()
    except kinds as fault:
        answer = fault
    if not isinstance(answer, ConfigError):
        assert 400 <= respond(answer).status_code < 500
    return answer


def agents_file(text: str) -> None:
    """Entries, or an error of ours with its place."""
    for read in (
        lambda: parse_yaml(text, "a.yaml"),
        lambda: document.read(text, Path("/d/a.yaml"), "a.yaml"),
    ):
        answer = refused(read, ConfigError)
        if isinstance(answer, ConfigError):
            found = re.match(r"a\.yaml:(\d+):(\d+): .", str(answer), re.DOTALL)
            assert found, str(answer)
            assert 1 <= int(found[1]) <= len(re.split("\r\n|[\n\r\x85\u2028\u2029]", text)) + 1
            assert int(found[2]) >= 1


def body(text: str) -> None:
    """A JSON object that can be shown again, or a refusal."""
    answer = refused(lambda: parse_object(text.encode("utf-8", "surrogatepass")), PraisonrunError)
    if isinstance(answer, dict):
        assert parse_object(json.dumps(answer).encode()) == answer


def query(text: str) -> None:
    """Every query of every dialect, from any text: values within their bounds, or a refusal."""
    raw = text.encode("utf-8", "replace")
    for model in QUERIES:
        for said in (raw, *(f"{name}=".encode() + raw for name in model.model_fields)):
            refused(partial(read_query, asked(query=said), model), Invalid, pydantic.ValidationError)


def event_id(value: bytes) -> None:
    """Digits are the id that they say, nothing is none, anything else is refused."""
    answer = refused(lambda: last_event_id(asked([(b"last-event-id", value)])), BadRequest)
    assert answer is None or isinstance(answer, BadRequest) or int(value) == answer < 10**19


def key(value: bytes) -> None:
    """A key is taken as it is or refused."""
    request = asked([(b"idempotency-key", value)])
    answer = refused(lambda: deployments_executions.key_of(request, "create:a", {}), BadRequest)
    plain = 1 <= len(value) <= 255 and all(0x21 <= byte <= 0x7E for byte in value)
    assert plain == (not isinstance(answer, BadRequest))
    assert not plain or answer.key == value.decode()


def authorization(value: bytes) -> None:
    """Only the token itself is let in."""
    scheme, _, rest = value.partition(b" ")
    assert Token(TOKEN).admits(value) == (scheme.lower() == b"bearer" and rest.strip(b" ") == TOKEN.encode())


def door(headers: list[tuple[bytes, bytes]]) -> None:
    """Who passes named this host, once, and sent nothing that has no meaning."""
    passed: list[bool] = []
    answers: list[int] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        passed.append(True)
        await Response()(scope, receive, send)

    async def send(message: Any) -> None:
        answers.append(message.get("status", 0))

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}
    asyncio.run(Edge(inner, port=8005)(scope, receive, send))
    assert answers[0] in (200, 400, 403, 413, 415, 421, 431)
    assert bool(passed) == (answers[0] == 200)
    if passed:
        assert [value.lower() for name, value in headers if name == b"host"] in (
            [HOST],
            [b"localhost:8005"],
            [b"[::1]:8005"],
        )


def hook(url: str) -> None:
    """A url that passes leads where its caller may go; the rest is refused by name."""
    for reach in Reach:
        answer = refused(partial(policy.check, url, reach, Own(8005)), Invalid)
        if answer is None:
            target = policy.parse(url)
            assert target.scheme in ("http", "https")
            assert 0 < target.port < 65536
            assert target.host.isascii()
            assert reach is not Reach.PUBLIC or all(reach_of(a) is Reach.PUBLIC for a in target.addresses)


def retry_after(text: str) -> None:
    """Seconds within bounds, or nothing."""
    found = schedule.retry_after(503, text, 1_800_000_000_000_000)
    assert found is None or 0 <= found <= schedule.LONGEST


def printed(data: bytes) -> None:
    """Whatever an agent says is events that can be shown, with ids of their frame."""
    for name in FORMATS:
        for kind in Kind:
            frame = journal.Frame(kind, 1, START, data)
            if kind in (Kind.STARTED, Kind.DROPPED):  # the shim's own; a power cut may have taken their end
                frame = frame._replace(data=json.dumps({"attempt": 1, "pid": 2}).encode()[: len(data)])
            found = frame_events(name, frame)
            ids = [event.id for event in found]
            assert ids == sorted(set(ids))
            begins = {0} | {HEAD_SIZE + at + 1 for at, byte in enumerate(data) if byte == ord("\n")}
            places = begins if kind is Kind.STDOUT and FORMATS[name].structured else {0}
            assert {journal.split_event_id(event)[0] - START for event in ids} <= places
            assert all(isinstance(json.loads(dumps(event.data)), dict) for event in found)


def run_id(name: str) -> None:
    """A run's own id, or a caller's, is a file's name and back, and no other's."""
    with tempfile.TemporaryDirectory() as home:
        files = RunFiles(Path(home))
        path = files.journal(name)
        assert path.parent == files.journal("x").parent
        assert len(path.name) < 256
        path.touch()
        assert list(files.ids_on_disk()) == [name]
        assert files.journal(name + "A") != files.journal(name + "a")


def wire_id(text: str) -> None:
    """A deployment's name of a run leads to that run; any other text does no harm."""
    for mode in Mode:
        run = Run(text.replace("~", "") or new_suffix(), "a", "v", 1, 1, 1, mode=mode)
        assert deployment_words.run_id_of(deployment_words.wire_id(run), mode) == run.id
        deployment_words.run_id_of(text, mode)


JSONL = Agent("a", "", format="jsonl")
FRAMES = st.lists(
    st.tuples(st.sampled_from([Kind.STDOUT, Kind.STDERR, Kind.EVENT, Kind.RESULT]), st.binary(max_size=40)),
    max_size=6,
)
DAMAGE = st.tuples(
    FRAMES,
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=3),
    st.floats(0, 1),
    st.binary(max_size=40),
)
SHIM = [
    (Kind.STARTED, b'{"attempt": 1, "shim": 2, "pid": 3}'),
    (Kind.ENDED, b'{"attempt": 1, "reason": "exited"}'),
]


def damaged(how: tuple[list[tuple[Kind, bytes]], list[tuple[float, int]], float, bytes]) -> None:
    """A journal of any bytes: what is whole before the damage is read, and nothing else is a frame."""
    frames, flips, cut, tail = how
    data = bytearray(journal.FILE_HEADER)
    places = []
    for kind, payload in [SHIM[0], *frames, SHIM[1]]:
        places.append(len(data))
        data += journal.encode(kind, payload, 1, len(data))
    whole = bytes(data)
    for place, flip in flips:
        data[min(int(place * len(data)), len(data) - 1)] ^= flip
    data = data[: int(cut * len(data)) or len(data)] + tail
    same = next(
        (at for at, (a, b) in enumerate(zip(data, whole, strict=False)) if a != b), min(len(data), len(whole))
    )
    with tempfile.TemporaryDirectory() as home:
        files = RunFiles(Path(home))
        files.journal("r").write_bytes(data)
        _reads(files, [at for at in places if at + HEAD_SIZE <= same], places)
        if journal.is_another_version(bytes(data[:START])):
            assert same < len(journal.MAGIC)
            _is_left_alone(files)
        else:
            _mends(files)


def _reads(files: RunFiles, sound: list[int], places: list[int]) -> None:
    tail = files.tail("r")
    assert tail.end <= files.journal("r").stat().st_size or tail.end == START
    with Reader(files.open_read("r")) as reader:
        read = [frame.offset for frames in reader.windows(START) for frame in frames]
        assert read == places[: len(read)]
        assert len(read) >= len(sound) - 1
        assert read == [found.offset for found in reader.headers(START)]
        for offset in (0, 1, START, *read, tail.end, 1 << 40):
            assert not reader.begins_frame(offset) or offset in places
        last_lines(reader, {Kind.STDOUT}, 3)
        assert len(last_words(reader, 5)) <= 1000
        dumps(result(reader, JSONL).value)


def _mends(files: RunFiles) -> None:
    """The next attempt writes after the last whole frame, and is read."""
    fd = files.reopen("r")
    end = files.tail("r").end
    Journal(fd).append(Kind.STDOUT, b"next")
    with Reader(files.open_read("r")) as reader:
        frames = reader.frames(end)
    assert [(frame.offset, frame.data) for frame in frames] == [(end, b"next")]
    os.close(fd)


def _is_left_alone(files: RunFiles) -> None:
    """A journal whose header names another version is nobody's here to write."""
    before = files.journal("r").read_bytes()
    assert not files.tail("r").readable
    try:
        os.close(files.reopen("r"))
        raise AssertionError("a journal of another version was taken")
    except Unavailable:
        assert files.journal("r").read_bytes() == before


SNAPSHOT = Snapshot(Run("r", "a", "v", 1, 1, 1, status=Status.RUNNING))


def huge(word: int) -> None:
    """A length is believed only with its checksum, and never beyond the file."""
    head = word.to_bytes(4, "little") + bytes(12)
    with tempfile.TemporaryDirectory() as home:
        files = RunFiles(Path(home))
        good = journal.head(Kind.STDOUT, word & MAX_PAYLOAD, 1, START)
        for bad in (head, good):
            files.journal("r").write_bytes(journal.FILE_HEADER + bad)
            with Reader(files.open_read("r")) as reader:
                assert reader.frames(START) == [] or (bad is good and not word & MAX_PAYLOAD)


def _asks(**given: Any) -> deployments_models.LogsQuery:
    return deployments_models.LogsQuery.model_validate(given)


def log_cursor(text: str) -> None:
    """A cursor of a log is a place of it, or refused; a walk by cursors tells everything once."""
    with tempfile.TemporaryDirectory() as home:
        files = RunFiles(Path(home))
        data = bytearray(journal.FILE_HEADER)
        for kind, payload in [SHIM[0], (Kind.STDOUT, b"a\nb\n"), (Kind.STDOUT, b"c\n"), SHIM[1]]:
            data += journal.encode(kind, payload, 1, len(data))
        files.journal("r").write_bytes(data)
        with Reader(files.open_read("r")) as reader:
            log = Log(SNAPSHOT, reader)
            every = log.page(_asks())["events"]
            with suppress(BadRequest):
                page = log.page(_asks(cursor=text))
                assert page["events"] == every[len(every) - len(page["events"]) :]
            walked, cursor, more = [], None, True
            while more:
                page = log.page(_asks(cursor=cursor, limit=2))
                walked += page["events"]
                cursor, more = page["next_cursor"], page["has_more"]
            assert walked == every


HEADERS = st.lists(
    st.one_of(
        st.tuples(st.just(b"host"), st.just(HOST) | header("localhost:8005")),
        st.tuples(st.sampled_from([b"origin", b"sec-fetch-site"]), header("http://127.0.0.1:8005", "none")),
        st.tuples(st.just(b"content-type"), header("application/json; charset=utf-8")),
        st.tuples(st.sampled_from([b"content-length", b"transfer-encoding"]), header("12", "chunked")),
    ),
    max_size=5,
).map(lambda some: some if any(name == b"host" for name, _ in some[:3]) else [(b"host", HOST), *some])
IDS = st.text("abcXYZ019._:-", min_size=1, max_size=127)
PARSERS: dict[str, tuple[st.SearchStrategy[Any], Check]] = {
    "agents.yaml": (near(YAML, CREW).filter(lambda text: len(text) < 5000), agents_file),
    "JSON body": (near(JSON, '{"a": [1, {"b": "c"}]}'), body),
    "query": (near("1", "true", "page=2&limit=3", "2-0", "run"), query),
    "Last-Event-ID": (header("1024", "0", "18446744073709551616"), event_id),
    "Idempotency-Key": (header("key-1", '"quoted"', "x" * 255), key),
    "Authorization": (header(f"Bearer {TOKEN}", f"bearer  {TOKEN} "), authorization),
    "door": (HEADERS, door),
    "webhook_url": (near(*URLS), hook),
    "Retry-After": (
        near("120", "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 99999 07:28:00 -9999"),
        retry_after,
    ),
    "output": (near(JSON).map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(), printed),
    "run id": (IDS, run_id),
    "deployment id": (near("adrun_0123", "adsvc_0123"), wire_id),
    "journal": (DAMAGE, damaged),
    "frame length": (st.integers(0, 2**32 - 1), huge),
    "log cursor": (near("64-1", "0-1", "128-0"), log_cursor),
}


DAILY = 1
"""The seed of every day: what is new is for the proof to find."""


def explore(name: str, examples: int, chosen: int) -> int:
    """Try a parser with so many inputs; return how many were tried."""
    strategy, check = PARSERS[name]
    tried = 0

    @seeded(chosen)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def attempt(value: Any) -> None:
        nonlocal tried
        tried += 1
        begun = time.process_time()
        check(value)
        assert time.process_time() - begun < PATIENCE, "it takes too long"

    attempt()
    return tried

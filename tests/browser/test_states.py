"""What the page shows when all is not as usual, and what only services have: each state in a real browser."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable

import psutil
import pytest
from playwright.sync_api import Page, Route, expect

from ..rigs.harness import Server
from ..rigs.processes import kill_run, of_run
from .chromium import CHROMIUM, FINISHED, log_of, status

HIDE = """hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
document.dispatchEvent(new Event('visibilitychange')); }"""
NOTED = """window.said = []; window.Notification = class { static permission = 'default';
static requestPermission = async () => (window.Notification.permission = 'granted');
constructor(title, { body }) { window.said.push([title, body]); window.latest = this; } }"""
"""A stand-in for the system's notifications, which a browser without a screen does not show."""
TOLD = "new Promise(done => { const look = () => said.length ? done() : setTimeout(look, 20); look(); })"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: apt-get install chromium"),
]


def test_a_service_is_started_read_restarted_and_stopped(server: Server, tab: Callable[..., Page]) -> None:
    page = tab()
    page.goto(f"{server.url}/?mode=service")
    expect(page.get_by_text("No service matches, or none was started yet.")).to_be_visible()
    page.get_by_role("button", name="Start server").click()
    status(page, "running")
    link = page.locator(".run .note a")
    expect(link).to_be_visible(timeout=FINISHED)
    url = link.inner_text()
    expect(page.locator(".run")).to_contain_text(f"ready, port {url.rstrip('/').rpartition(':')[2]}")
    expect(page.locator(".row small")).to_contain_text("ready, port")
    page.get_by_role("button", name="Restart").click()
    expect(page.locator(".log .mark", has_text="attempt 2 started")).to_be_visible(timeout=FINISHED)
    expect(link).to_be_visible(timeout=FINISHED)
    page.get_by_role("tab", name="curl").click()
    expect(page.locator(".pane")).to_contain_text("/restart'")
    page.get_by_role("button", name="Stop").click()
    status(page, "cancelled")
    expect(link).to_have_count(0)
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)
    page.goto(page.url.replace("mode=service", "").split("?")[0])
    expect(page.get_by_role("button", name="Restart")).to_be_visible()
    assert "mode=service" in page.url
    page.keyboard.press("r")
    status(page, "running")


def test_a_hidden_tab_tells_of_ends_once_it_was_asked_to(server: Server, tab: Callable[..., Page]) -> None:
    page, asked = tab(), list[str]()
    page.add_init_script(NOTED)
    page.goto(server.url)
    expect(page.get_by_text("No runs yet")).to_be_visible()
    page.evaluate(HIDE, True)
    server.ended(server.submit("quick", "unheard"))
    rounds = list[str]()  # of questions that the page asks: at once, and when what it heard is told
    page.on("response", lambda answer: rounds.append(answer.url) if "/api/v1/usage" in answer.url else None)
    with page.expect_event("response", lambda _: len(rounds) > 1):
        page.evaluate(HIDE, False)
    expect(page.locator(".row")).to_have_count(1)
    assert page.evaluate("said") == []
    page.get_by_role("button", name="notify").click()
    expect(page.get_by_role("button", name="notify")).to_have_attribute("aria-pressed", "true")
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(HIDE, True)
    run_id = server.ended(server.submit("fail", "a task"))["job_id"]
    page.evaluate(TOLD)
    assert page.evaluate("said") == [["fail failed", "a task"]]
    assert [url.split("?")[0].removeprefix(server.url) for url in asked] == ["/api/v1/events"]
    expect(page.locator(".row")).to_have_count(1)
    page.evaluate("latest.onclick()")
    page.evaluate(HIDE, False)
    status(page, "failed")
    assert page.url.endswith(run_id)
    expect(page.locator(".row")).to_have_count(2)
    page.get_by_role("button", name="notify").click()
    page.evaluate(HIDE, True)
    asked.clear()
    server.ended(server.submit("quick"))
    page.evaluate(HIDE, False)
    expect(page.locator(".row")).to_have_count(3)
    assert len(page.evaluate("said")) == 1


def test_notifications_that_the_browser_forbids_are_said(server: Server, tab: Callable[..., Page]) -> None:
    page = tab()
    page.add_init_script(
        f"{NOTED}; Notification.requestPermission = async () => (Notification.permission = 'denied')"
    )
    page.goto(server.url)
    page.get_by_role("button", name="notify").click()
    expect(page.get_by_role("alert")).to_contain_text("allow them in its settings")


def test_what_was_used_is_drawn_by_day_and_agent(server: Server, tab: Callable[..., Page]) -> None:
    told = json.dumps({"usage": {"input_tokens": 12_000, "output_tokens": 3_400, "cost_usd": 0.42}})
    run_id = server.ended(server.submit("telling", told, timeout=1))["job_id"]
    server.ended(server.submit("quick"))
    page = tab()
    page.goto(server.url)
    expect(page.locator("header .chart .chart")).to_contain_text(
        "2 finished, 1 failed · 15.4k tokens · $0.42"
    )
    for words in ("2 finished, 1 failed", "15.4k tokens", "$0.42"):
        expect(page.locator(".run").get_by_role("img", name=words)).to_be_visible()
    assert page.locator(".run svg title").first.text_content().endswith(": 0 finished, 0 failed")  # type: ignore[union-attr]
    row = page.locator(".run tbody tr", has_text="telling")
    assert row.inner_text().split() == ["telling", "1", "1", "12.0k", "3400", "$0.42"]
    row.get_by_role("link").click()
    expect(page.locator(".row")).to_have_count(1)
    page.goto(f"{server.url}/ui/runs/{run_id}")
    expect(page.locator(".run")).to_contain_text("input tokens 12.0k · output tokens 3400 · cost usd $0.42")


def test_a_broken_agents_file_is_named_with_its_place(server: Server, tab: Callable[..., Page]) -> None:
    page = tab()
    page.goto(server.url)
    expect(page.get_by_text("No runs yet")).to_be_visible()
    whole = server.agents.read_text()
    server.agents.write_text(whole + "  broken: {command: [x], timeuot: 3}\n")
    server.ended(server.submit("quick"))
    line = whole.count("\n") + 1
    expect(page.locator(".band")).to_contain_text(f"agents.yaml:{line}:", timeout=FINISHED)
    server.agents.write_text(whole)
    server.ended(server.submit("quick"))
    expect(page.locator(".band")).to_have_count(0, timeout=FINISHED)


def test_a_disk_that_is_nearly_full_is_said_and_a_submit_s_rejection_too(
    unstarted: Server, tab: Callable[..., Page]
) -> None:
    unstarted.start("--min-free", "900000000")
    page = tab()
    page.goto(unstarted.url)
    expect(page.locator(".band")).to_contain_text("the disk is nearly full")
    page.locator("textarea").fill("a task")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("textarea")).to_have_value("a task")


def test_a_full_queue_rejects_and_keeps_what_was_written(unstarted: Server, tab: Callable[..., Page]) -> None:
    unstarted.start("--concurrency", "1", "--queue-limit", "1")
    unstarted.submit("wait"), unstarted.submit("wait")
    page = tab()
    page.goto(unstarted.url)
    expect(page.locator(".row", has_text="queued")).to_have_count(1)
    page.locator("textarea").fill("a task")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Job queue is full")
    expect(page.locator("textarea")).to_have_value("a task")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_server_of_another_version_offers_a_reload(server: Server, tab: Callable[..., Page]) -> None:
    page = tab()
    page.goto(server.url)
    expect(page.get_by_text("No runs yet")).to_be_visible()
    server.ended(server.submit("quick"))
    expect(page.locator(".row")).to_have_count(1)  # so its stream has begun

    def newer(route: Route) -> None:
        said = {"event": "server", "version": "99.0", "ts": "2026-01-01T00:00:00Z"}
        route.fulfill(body=json.dumps(said) + "\n", content_type="application/x-ndjson")

    page.route("**/api/v1/events?*", newer)
    server.kill()
    server.start()
    expect(page.get_by_text("The server is praisonrun 99.0 now.")).to_be_visible(timeout=FINISHED)
    page.unroute("**/api/v1/events?*")
    page.get_by_role("button", name="Reload").click()
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator(".band")).to_have_count(0)


def test_a_run_that_is_removed_while_it_is_shown_is_said(server: Server, tab: Callable[..., Page]) -> None:
    run_id = server.ended(server.submit("quick"))["job_id"]
    page = tab()
    page.goto(f"{server.url}/ui/runs/{run_id}")
    status(page, "succeeded")
    with server.client() as client:
        client.delete(f"/api/v1/runs/{run_id}")
    expect(page.get_by_text("This run is not here")).to_be_visible()
    expect(page.locator(".row")).to_have_count(0)
    page.reload()
    expect(page.get_by_text("This run is not here")).to_be_visible()
    page.get_by_role("link", name="All runs").click()
    expect(page.get_by_text("No runs yet")).to_be_visible()


def test_a_hidden_tab_asks_for_nothing_and_catches_up(server: Server, tab: Callable[..., Page]) -> None:
    page, run_id, asked = tab(), server.submit("until", str(server.home / "go")), list[str]()
    page.goto(f"{server.url}/ui/runs/{run_id}")
    expect(page.locator(".lines")).to_contain_text("up")
    page.evaluate(HIDE, True)
    page.on("request", lambda request: asked.append(request.url))
    (server.home / "go").touch()
    server.ended(run_id)
    page.evaluate("fetch('/healthz').then(answer => answer.status)")
    assert [url for url in asked if "healthz" not in url] == []
    page.evaluate(HIDE, False)
    status(page, "succeeded")
    expect(page.locator(".lines")).to_contain_text("done")
    assert log_of(page) == "up\ndone\n"


def test_a_run_says_why_it_waits_and_why_it_failed(server: Server, tab: Callable[..., Page]) -> None:
    page = tab()
    lines = "import sys\nfor n in range(9): print('line', n, file=sys.stderr)\nsys.exit('no config.toml')"
    failed = server.ended(server.submit("code", lines))["job_id"]
    late = server.ended(server.submit("wait", timeout=1))["job_id"]
    killed = server.submit("wait")
    page.goto(f"{server.url}/ui/runs/{killed}")
    expect(page.locator(".lines")).to_contain_text("up")
    kill_run(killed)
    status(page, "failed")
    expect(page.locator(".why")).to_contain_text("killed by signal 9")
    server.submit("one", str(server.home / "go")), server.submit("one", "/x", envs={"SECRET": "s3cr3t"})
    page.goto(f"{server.url}/?agent=one&status=queued")
    page.locator(".row").click()
    expect(page.locator(".why")).to_contain_text("Waits: agent 'one' has as many runs live as")
    expect(page.locator(".why")).to_contain_text("Number 1 in its agent's queue.")
    server.kill()
    server.start()
    (server.home / "go").touch()
    status(page, "failed")
    expect(page.locator(".why")).to_contain_text("Run it again with its variables: they are never stored.")
    for run_id, said in (
        (failed, ["exited with code 1", "line 8", "no config.toml"]),
        (late, ["timed out", "Retry it, or give it a longer timeout."]),
    ):
        page.goto(f"{server.url}/ui/runs/{run_id}")
        status(page, "failed")
        for words in said:
            expect(page.locator(".why")).to_contain_text(words)
        expect(page.get_by_role("button", name="Retry", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="Retry with changes")).to_be_visible()


def test_a_lost_run_says_so(server: Server, tab: Callable[..., Page]) -> None:
    page, run_id = tab(), server.submit("wait")
    page.goto(f"{server.url}/ui/runs/{run_id}")
    expect(page.locator(".lines")).to_contain_text("up")
    [agent] = of_run(run_id)
    shim = psutil.Process(agent).parent()
    assert shim is not None
    shim.kill()
    status(page, "failed")
    expect(page.locator(".why")).to_contain_text("lost: ")
    expect(page.locator(".why")).to_contain_text("Nothing is run again unasked: retry it.")
    expect(page.locator(".timeline i.failed")).to_have_attribute("title", re.compile("attempt 1, .* s"))
    page.get_by_role("button", name="Retry", exact=True).click()
    status(page, "running")


def test_a_log_that_was_cut_says_where_and_how_much(server: Server, tab: Callable[..., Page]) -> None:
    code = "for n in range(66_000): print(f'{n:1023}')"
    page, run_id = tab(), server.submit("code", code)
    page.goto(f"{server.url}/ui/runs/{run_id}")
    status(page, "succeeded")
    cut = page.locator(".lines .praisonrun")
    expect(cut).to_have_text(re.compile(r"output cap reached: \d{5,7} bytes dropped here"), timeout=FINISHED)
    expect(page.locator(".lines .mark").last).to_contain_text("ended, exit 0")
    assert page.locator(".lines p").count() <= 5000


def test_a_service_that_is_not_ready_says_so(server: Server, tab: Callable[..., Page]) -> None:
    gate = server.home / "go"
    wait = f"while [ ! -e {gate} ]; do sleep 0.05; done; exec {sys.executable} -m http.server $PORT"
    slow = {
        "mode": "service",
        "command": ["/bin/sh", "-c", wait],
        "port": "auto",
        "readiness": {"type": "http"},
    }
    server.agents.write_text(f"{server.agents.read_text()}  slow: {json.dumps(slow)}\n")
    page = tab()
    page.goto(f"{server.url}/?mode=service")
    page.get_by_role("button", name="Start slow").click()
    expect(page.locator(".run .note.queued")).to_contain_text("starting, port", timeout=FINISHED)
    expect(page.locator(".row small")).to_contain_text("starting, port")
    gate.touch()
    expect(page.locator(".run .note a")).to_be_visible(timeout=FINISHED)
    expect(page.locator(".row small")).to_contain_text("ready, port")
    expect(page.locator(".run .note.queued")).to_have_count(0)

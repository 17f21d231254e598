"""The page in a real browser, against a real server: what a person sees, presses and reads.

Needs Chromium on PATH. axe-core, which judges accessibility, is taken from AXE_CORE, the directory of its npm
package; without it that test is skipped.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from ..rigs.harness import Server
from .chromium import CHROMIUM, FINISHED, log_of, status

TOKEN = "correct-horse-battery-staple"
AXE = os.environ.get("AXE_CORE")
BIDI = "\u202e\u2066<img src=x onerror=boom()><script>boom()</script>\x1b]0;t\x07\x1b[31m&amp;{{7*7}}"
SHOWN = "\\u202e\\u2066<img src=x onerror=boom()><script>boom()</script>"
FRAMES = """() => { window.longest = 0; let last = performance.now(); const frame = (now) => {
window.longest = Math.max(window.longest, now - last); last = now; requestAnimationFrame(frame); };
requestAnimationFrame(frame); }"""
READ = """run => new Promise(done => { const look = () => document.querySelector(`.head [title="${run}"]`) &&
[...document.querySelectorAll(".lines > :last-child > *")].some(line => line.textContent === "line 99999")
? done() : setTimeout(look, 20); look(); })"""
"""A wait that costs the page nothing: each look of an `expect` describes all that is there in a long task."""
SMOOTH, TRIES, IDLE = 51, 5, 1.0
"""Milliseconds of the longest frame: three of a screen's. It must be so once in a few tries, and is no
figure of the page where more than so many processes run already."""
JUDGE = "axe.run().then(all => all.violations.map(v => [v.id, v.nodes[0].html, v.nodes[0].failureSummary]))"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: apt-get install chromium"),
]


def test_a_first_run_is_submitted_followed_and_finished(server: Server, tab: Callable[..., Page]) -> None:
    page, held, agents = tab(), list[Route](), "**/api/v1/agents"

    def hold(route: Route) -> None:
        held.append(route)

    page.route(agents, hold)
    page.goto(server.url)
    expect(page.get_by_text("No runs yet")).to_be_visible()
    expect(page.get_by_text("Run the demo")).to_have_count(0)  # which agent that is, is not known yet
    page.route(agents, Route.continue_)
    while held:
        held.pop().continue_()
    page.get_by_text("Run the demo").click()
    expect(page.locator("progress")).to_be_visible(timeout=FINISHED)
    status(page, "succeeded")
    assert "[5/5] Writing the answer\n" in log_of(page)
    assert re.fullmatch(rf"{server.url}/ui/runs/run_\w+", page.url)
    page.get_by_role("tab", name="result").click()
    expect(page.locator("pre.scroll")).to_contain_text('"words": 4')
    page.get_by_role("tab", name="curl").click()
    expect(page.locator(".pane")).to_contain_text(
        f"curl '{page.url.replace('/ui/', '/api/v1/').split('?')[0]}'"
    )
    page.reload()
    expect(page.get_by_role("tab", name="curl")).to_have_attribute("aria-selected", "true")


def test_colours_are_classes_and_progress_bars_one_line(server: Server, tab: Callable[..., Page]) -> None:
    code = (
        r"print('\x1b[1;31mred\x1b[0m \x1b[38;5;208mor\x1b[38;2;1;2;3mown\x1b[0m'); print('10 %\r55 %\r99 %')"
    )
    page = tab()
    page.goto(f"{server.url}/ui/runs/{server.ended(server.submit('code', code))['job_id'][-6:]}")
    expect(page.locator(".stdout .bold.c1")).to_have_text("red")
    colours = page.eval_on_selector_all(".stdout span", "all => all.map(each => each.style.color)")
    assert [colour for colour in colours if colour] == ["rgb(255, 135, 0)", "rgb(1, 2, 3)"]
    assert log_of(page) == "red orown\n99 %\n"


def test_a_killed_server_leaves_no_gap_in_the_log(server: Server, tab: Callable[..., Page]) -> None:
    page, run_id = tab(), server.submit("lines", "1200")
    page.goto(f"{server.url}/ui/runs/{run_id}")
    expect(page.locator(".lines")).to_contain_text("line 100")
    server.kill()
    expect(page.locator(".band")).to_contain_text("The server is away for")
    before = log_of(page)
    server.start()
    status(page, "succeeded")
    expect(page.locator(".band")).to_have_count(0)
    expect(page.locator(".lines")).to_contain_text("line 1199")
    with server.client() as client:
        assert log_of(page) == client.get(f"/api/v1/runs/{run_id}/logs").text
    assert before in log_of(page)


def test_a_long_log_is_smooth_and_follows_its_end(
    server: Server, tab: Callable[..., Page], figure: Callable[[str], None]
) -> None:
    if (load := os.getloadavg()[0]) > IDLE:
        pytest.skip(f"others use this machine (load {load:.1f}): run this test alone")
    page, tries = tab(), list[float]()
    page.goto(server.url)
    page.evaluate(FRAMES)
    while len(tries) < TRIES and min([*tries, 1000]) > SMOOTH:  # others may be busy on this machine
        long = server.submit("count", "100000")
        row = page.locator(f'.row[href*="{long}"]')
        expect(row).to_be_visible()
        page.evaluate("longest = 0")
        row.click()
        page.evaluate(READ, long)
        tries.append(page.evaluate("longest"))
        assert page.eval_on_selector(".log", "box => box.scrollHeight - box.scrollTop - box.clientHeight") < 2
    figure(f"100 000 lines: the longest frame took {min(tries):.0f} ms")
    assert min(tries) <= SMOOTH


def test_who_scrolls_up_stays_there(server: Server, tab: Callable[..., Page]) -> None:
    page, run_id = tab(), server.submit("lines", "1500")
    page.goto(f"{server.url}/ui/runs/{run_id}")
    expect(page.locator(".lines")).to_contain_text("line 300")
    page.locator(".log").hover()
    page.mouse.wheel(0, -2000)
    follow = page.get_by_role("button", name="follow")
    expect(follow).to_have_attribute("aria-pressed", "false")
    place = page.eval_on_selector(".log", "box => box.scrollTop")
    status(page, "succeeded")
    expect(page.locator(".lines")).to_contain_text("line 1499")
    assert page.eval_on_selector(".log", "box => box.scrollTop") == pytest.approx(place, abs=2000)
    page.keyboard.press("f")
    expect(follow).to_have_attribute("aria-pressed", "true")
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.eval_on_selector(".log", "box => box.scrollHeight - box.scrollTop - box.clientHeight") < 2


def test_a_long_log_is_bounded_and_all_there(server: Server, tab: Callable[..., Page]) -> None:
    page, long = tab(), server.submit("count", "100000")
    page.goto(f"{server.url}/ui/runs/{long}")
    expect(page.locator(".lines")).to_contain_text("line 99999", timeout=FINISHED)
    shown = log_of(page).splitlines()
    assert len(shown) <= 5000
    assert shown[-1] == "line 99999"
    first = int(shown[0].split()[1])
    page.get_by_text("earlier lines").click()
    expect(page.get_by_text("back to the end")).to_be_visible()
    expect(page.locator(".lines")).to_contain_text(f"line {first - 1}")
    past = [int(line.split()[1]) for line in log_of(page).splitlines()]
    assert past == list(range(past[0], first))
    page.get_by_text("back to the end").click()
    expect(page.locator(".lines")).to_contain_text("line 99999")


def test_lines_are_found_and_have_addresses(server: Server, tab: Callable[..., Page]) -> None:
    page, run_id = tab(), server.ended(server.submit("count", "12000"))["job_id"]
    page.goto(f"{server.url}/ui/runs/{run_id}")
    expect(page.locator(".lines")).to_contain_text("line 11999")
    page.keyboard.press("F")
    page.keyboard.type("LINE 1199")
    expect(page.locator(".lines p:visible")).to_have_count(10)
    assert page.eval_on_selector(".log", "box => box.scrollHeight === box.clientHeight")
    page.get_by_label("Find in these lines").fill("")
    page.keyboard.press("Escape")
    page.get_by_text("line 9000", exact=True).click()
    expect(page.locator(".here")).to_have_text("line 9000")
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator(".here")).to_have_text("line 9000")
    assert (log_of(page).splitlines()[0], page.url) == ("line 9000", address)
    page.get_by_text("earlier lines").click()
    expect(page.locator(".lines")).to_contain_text("line 8999")
    past = [int(line.split()[1]) for line in log_of(page).splitlines()]
    assert past == list(range(past[0], past[-1] + 1))
    assert past[-1] >= 8999
    page.get_by_text("back to the end").click()
    expect(page.locator(".lines")).to_contain_text("line 11999")


def test_attempts_are_a_line_of_time(server: Server, tab: Callable[..., Page]) -> None:
    page, run_id = tab(), server.ended(server.submit("flaky"))["job_id"]
    page.goto(f"{server.url}/ui/runs/{run_id}")
    expect(page.locator(".timeline i.failed")).to_have_count(2)
    expect(page.locator(".timeline i.succeeded")).to_have_attribute(
        "title", re.compile(r"attempt 3 exit 0, .* s")
    )
    expect(page.locator(".timeline small")).to_contain_text(
        re.compile("queued .* attempt 1 exit 1, .* waited")
    )


def test_filters_are_addresses(server: Server, tab: Callable[..., Page]) -> None:
    failed, good = server.submit("fail", "one"), server.submit("quick", "two")
    server.ended(failed), server.ended(good)
    page = tab()
    page.goto(server.url)
    expect(page.locator(".row")).to_have_count(2)
    page.get_by_role("link", name="failed", exact=False).first.click()
    expect(page.locator(".row")).to_have_count(1)
    assert page.url == f"{server.url}/?status=failed"
    page.go_back()
    expect(page.locator(".row")).to_have_count(2)
    page.goto(f"{server.url}/?q=two&agent=quick")
    expect(page.locator(".row")).to_have_count(1)
    page.goto(f"{server.url}/?q=nothing")
    expect(page.get_by_text("No run matches.")).to_be_visible()


def test_the_keyboard_is_enough(server: Server, tab: Callable[..., Page]) -> None:
    page, older = tab(), server.submit("fail", "older")
    server.ended(older)
    page.goto(server.url)
    expect(page.locator(".row")).to_have_count(1)
    page.keyboard.press("n")
    page.locator("header select").select_option("wait")
    page.locator("textarea").focus()
    page.keyboard.type("a task")
    page.keyboard.press("Enter")
    status(page, "running")
    page.keyboard.press("Escape")
    page.locator("h1 a").focus()
    page.keyboard.press("c")
    expect(page.get_by_text("Press c again")).to_be_visible()
    page.keyboard.press("c")
    status(page, "cancelled")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    status(page, "failed")
    for number, name in enumerate(("log", "events", "result", "files", "webhooks", "curl"), 1):
        page.keyboard.press(str(number))
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("r")
    expect(page.locator(".row")).to_have_count(3)
    status(page, "failed")
    page.keyboard.press("Shift+R")
    expect(page.locator("textarea")).to_have_value("older")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(".head")).to_have_count(0)
    page.keyboard.press("/")
    expect(page.locator("[type=search]")).to_be_focused()


def test_the_mouse_is_enough(server: Server, tab: Callable[..., Page]) -> None:
    """But for the words of a prompt."""
    page = tab()
    page.goto(server.url)
    page.locator("header select").select_option(
        "until"
    )  # as a click on one of a list, which the system draws
    page.locator("textarea").click()
    page.keyboard.insert_text(str(server.home / "go"))
    page.get_by_role("button", name="Run", exact=True).click()
    status(page, "running")
    expect(page.locator(".lines")).to_contain_text("up")
    page.get_by_role("button", name="Cancel").click()
    status(page, "cancelled")
    page.get_by_role("button", name="Retry with changes").click()
    expect(page.locator("textarea")).to_have_value(str(server.home / "go"))
    page.get_by_role("button", name="Retry", exact=True).click()
    status(page, "running")
    expect(page.locator(".row")).to_have_count(2)
    (server.home / "go").touch()
    status(page, "succeeded")
    expect(page.locator(".lines")).to_contain_text("done")
    page.locator(".row").nth(1).click()
    status(page, "cancelled")
    for name in ("events", "result", "files", "webhooks", "curl", "log"):
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="keys").click()
    page.get_by_role("button", name="Close").click()
    expect(page.locator("dialog")).to_be_hidden()
    page.get_by_role("link", name="praisonrun").click()
    expect(page.locator(".head")).to_have_count(0)


def test_text_of_strangers_is_text(server: Server, tab: Callable[..., Page]) -> None:
    name = "<img src=x onerror=boom()>.txt"  # the API lists no name with characters that cannot be seen
    code = f"import os\nprint({BIDI!r})\nopen(os.environ['PRAISONRUN_ARTIFACTS'] + '/' + {name!r}, 'w')\n"
    told = f"{code}raise SystemExit({BIDI!r})"
    server.ended(server.submit("cat", BIDI))
    run_id = server.ended(server.submit("telling-code", told, session_id="s<b>"))["job_id"]
    page = tab()
    page.goto(f"{server.url}/ui/runs/{run_id}")
    status(page, "failed")
    expect(page.locator(".lines")).to_contain_text(SHOWN)
    expect(page.locator(".why")).to_contain_text("<img src=x onerror=boom()>")
    for view in ("result", "files", "curl"):
        page.get_by_role("tab", name=view).click()
        expect(page.locator(".pane")).to_contain_text("<img src=x onerror=boom()>")
    assert page.evaluate("document.querySelectorAll('img, script:not([src]), iframe').length") == 0
    seen = page.evaluate("document.body.innerText + document.title")
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", seen)


def test_a_token_is_in_no_request_s_address(server: Server, tab: Callable[..., Page]) -> None:
    server.stop()
    server.environ["PRAISONRUN_TOKEN"] = TOKEN
    server.start()
    page, asked = tab(), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url)
    expect(page.get_by_text("This server wants its token")).to_be_visible()
    page.goto("about:blank")
    page.goto(f"{server.url}/#token={TOKEN}")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    assert page.url == f"{server.url}/"
    page.get_by_text("Run the demo").click()
    status(page, "succeeded")
    assert len(asked) > 10
    assert not [url for url in asked if TOKEN in url and "#" not in url]
    assert page.evaluate("document.cookie") == ""


def test_two_tabs_and_eight_runs_leave_room_for_a_request(chromium: Browser, server: Server) -> None:
    runs = [server.submit("wait") for _ in range(4)]
    context = chromium.new_context()
    tabs = [context.new_page() for _ in range(2)]
    for page, run_id in zip(tabs, runs, strict=False):
        page.goto(f"{server.url}/ui/runs/{run_id}")
        expect(page.locator(".lines")).to_contain_text("up")
    for run_id in [server.submit("wait") for _ in range(4)]:
        tabs[0].locator(f'.row[href*="{run_id}"]').click()
        expect(tabs[0].locator(".head")).to_contain_text(run_id[-6:])
    assert tabs[1].evaluate("fetch('/healthz').then(answer => answer.status)") == 200
    context.close()


@pytest.mark.skipif(AXE is None, reason="AXE_CORE names no directory of the npm package axe-core")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing(server: Server, tab: Callable[..., Page], scheme: str, width: int) -> None:
    runs = [server.ended(server.submit(agent))["job_id"] for agent in ("fail", "story", "both")]
    runs += [server.submit("wait"), server.submit("one", "/x"), server.submit("one", "/x")]
    ask = {"id": "a", "question": "Which?", "options": ["this", "that"]}
    runs += [
        server.submit(
            "asks", "\n".join(json.dumps({"ask": each}) for each in (ask, {**ask, "id": "b", "options": []}))
        )
    ]
    with server.client(headers={"Idempotency-Key": "a"}) as client:
        service = client.post("/v1/agent-deployments/server/services", json={}).json()["id"]
    page = tab(color_scheme=scheme, viewport={"width": width, "height": 700}, bypass_csp=True)
    page.goto(server.url)
    for address in [
        "/",
        *(f"/ui/runs/{run_id}" for run_id in runs),
        f"/ui/runs/{runs[1]}?tab=events",
        "/ui/runs/gone1",
        f"/ui/runs/{service[-12:]}",
        "/?mode=service",
        "/?status=cancelled",
    ]:
        page.goto(server.url + address)
        expect(page.locator(".row, .empty").first).to_be_attached()
        if "/ui/" in address and "gone" not in address:
            expect(page.locator(".head")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.add_script_tag(path=str(Path(AXE or "") / "axe.min.js"))
        found = page.evaluate(JUDGE)
        assert found == [], address

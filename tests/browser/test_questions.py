"""What a run asks, answered on the page: by button, text or keyboard. A hidden tab tells of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ..rigs.harness import Server
from .chromium import CHROMIUM, log_of, status
from .test_states import HIDE, NOTED, TOLD

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: apt-get install chromium"),
]


def asking(*questions: dict[str, Any]) -> str:
    return "\n".join(json.dumps({"ask": question}) for question in questions)


def replies(page: Page) -> dict[str, str]:
    """Return what the agent was told, by the question's id: it prints that."""
    said = [json.loads(line) for line in log_of(page).splitlines() if line.startswith("{")]
    return {each["id"]: each.get("answer", "denied") for each in said}


def test_questions_are_answered_by_mouse(server: Server, tab: Callable[..., Page]) -> None:
    plan = "Which of these plans, with all that they cost? " + "x" * 300 + "\u202e<img src=x onerror=boom()>"
    server.submit(
        "asks",
        asking(
            {"id": "plan", "question": plan, "options": ["a <b>bold</b> one", "none"], "default": "none"},
            {"id": "branch", "question": "Which branch?"},
            {"id": "may", "question": "May it delete build/?", "kind": "permission"},
        ),
    )
    page = tab()
    page.goto(server.url)
    expect(page.locator(".row small")).to_contain_text("asks: Which of these plans")
    page.locator(".row").click()
    asked = page.locator("form.why")
    expect(asked).to_have_count(3)
    expect(asked.nth(0)).to_contain_text("xxx\\u202e<img src=x onerror=boom()>")  # whole, as text
    expect(asked.nth(0)).to_contain_text(re.compile(r"after [\d:]+: none"))
    expect(asked.nth(1)).to_contain_text(re.compile(r"after [\d:]+: denied"))
    page.get_by_role("tab", name="curl").click()
    expect(page.locator("tr", has_text="answer plan")).to_contain_text(
        """/answers/plan' -H 'Content-Type: application/json' -d '{"answer":"a <b>bold</b> one"}'"""
    )
    page.get_by_role("tab", name="log").click()
    asked.nth(0).get_by_role("button", name="a <b>bold</b> one").click()
    expect(asked).to_have_count(2)
    asked.filter(has_text="May it delete").get_by_role("button", name="allow").click()
    expect(asked).to_have_count(1)
    page.get_by_role("textbox", name="Answer").fill("next")
    page.get_by_role("button", name="Answer").click()
    expect(asked).to_have_count(0)
    status(page, "succeeded")
    expect(page.locator(".lines")).to_contain_text('"branch"')
    assert replies(page) == {"plan": "a <b>bold</b> one", "may": "allow", "branch": "next"}


def test_a_question_that_comes_while_the_run_is_shown_is_answered_by_keyboard(
    server: Server, tab: Callable[..., Page]
) -> None:
    page, prompt = tab(), asking({"id": "a", "question": "First?"}, {"id": "b", "question": "Then?"})
    page.goto(server.url)
    page.get_by_text("No runs yet").wait_for()
    page.locator("header select").select_option("asks")
    page.keyboard.press("n")
    page.locator("textarea").fill(prompt)
    page.keyboard.press("Enter")
    expect(page.locator("form.why")).to_have_count(2)
    page.get_by_role("textbox", name="Answer").first.focus()
    page.keyboard.type("yes")
    page.keyboard.press("Enter")
    expect(page.locator("form.why")).to_have_count(1)
    page.get_by_role("textbox", name="Answer").focus()
    page.keyboard.type("no")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    status(page, "succeeded")
    expect(page.locator(".lines")).to_contain_text('"b"')
    assert replies(page) == {"a": "yes", "b": "no"}


def test_an_answer_that_comes_too_late_is_said(server: Server, tab: Callable[..., Page]) -> None:
    run_id = server.submit(
        "asks", asking({"id": "a", "question": "First?"}, {"id": "b", "question": "Then?"})
    )
    page = tab()
    page.goto(f"{server.url}/ui/runs/{run_id}")
    expect(page.locator("form.why")).to_have_count(2)

    def beaten(route: Any) -> None:
        with server.client() as client:
            client.post(f"/api/v1/runs/{run_id}/answers/a", json={"answer": "another's"})
        route.continue_()

    page.route("**/answers/a", beaten)
    page.get_by_role("textbox", name="Answer").first.fill("mine")
    page.get_by_role("button", name="Answer").first.click()
    expect(page.get_by_role("alert")).to_contain_text("question a was answered already")
    expect(page.locator("form.why")).to_have_count(1)


def test_a_hidden_tab_tells_of_questions(server: Server, tab: Callable[..., Page]) -> None:
    page = tab()
    page.add_init_script(NOTED)
    page.goto(server.url)
    page.get_by_role("button", name="notify").click()
    expect(page.get_by_role("button", name="notify")).to_have_attribute("aria-pressed", "true")
    page.evaluate(HIDE, True)
    server.submit("asks", asking({"id": "a", "question": "Deploy it?", "options": ["yes", "no"]}))
    page.evaluate(TOLD)
    assert page.evaluate("said") == [["asks asks", "Deploy it?"]]
    page.evaluate("latest.onclick()")
    page.evaluate(HIDE, False)
    page.get_by_role("button", name="yes").click()
    status(page, "succeeded")

"""The page in a browser, opened from disk: what a reader clicks does what it says."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from cmir_repro.experiments import shared
from cmir_repro.report import results_page
from cmir_repro.report.results_page import answers

CHROMIUM = shutil.which("chromium")
SLOW = 60_000  # milliseconds, on a machine that does other things


@pytest.fixture
def opened(small, monkeypatch, tmp_path):
    """The page in Chromium; nothing was asked of the network and no error is on the console."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    monkeypatch.setattr(shared, "names", lambda: ["css/tirg-dim-mini", "css/tirg-full"])
    monkeypatch.setattr(answers, "ASKED", 4)
    path = results_page.write(tmp_path / "results.html")
    asked, said = [], []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(SLOW)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append((message.type, message.text)))
        page.on("pageerror", lambda error: said.append(("error", str(error))))
        page.goto(path.as_uri())
        page.wait_for_selector("#state", state="detached")
        yield page
        kept = os.environ.get("CMIR_SCREENSHOTS")
        if kept:
            page.screenshot(path=Path(kept) / "results.png", full_page=True)
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert [one for one in said if one[0] in ("error", "warning")] == []


def _shows(page, methods):
    """The table has these rows; waits, since the table is redrawn after the click is answered."""
    cells = page.locator("#table tbody tr td:nth-child(5)")
    expect(cells).to_have_text(methods, timeout=SLOW)


def _says(page, place, text):
    """A part of the page holds a text; waits likewise."""
    expect(page.locator(place)).to_contain_text(text, timeout=SLOW)


def test_a_reader_sorts_filters_compares_and_opens_curves_and_figures(opened):
    page = opened
    _shows(page, ["Image only", "TIRG", "TIRG + DIM"])
    head = page.locator("#table thead th", has_text="method").first
    head.locator(".dt-column-title").click()
    expect(head).to_have_attribute("aria-sort", "ascending", timeout=SLOW)
    head.locator(".dt-column-title").click()
    _shows(page, ["TIRG + DIM", "TIRG", "Image only"])
    page.locator(".dt-search input").fill("TIRG")
    _shows(page, ["TIRG + DIM", "TIRG"])

    rows = page.locator("#table tbody tr")
    rows.nth(1).click()
    rows.nth(0).press("Enter")  # by keyboard
    _says(page, "#chosen", "TIRG, seed 0 and TIRG + DIM, seed 0")
    _says(page, "#facts", "cmir run --seed 2")
    page.click("#go")
    _says(page, "#verdict", "TIRG + DIM, seed 0 gains ")
    assert page.locator("#gained li img").first.evaluate("x => x.naturalWidth") > 0
    page.wait_for_selector("#scatter .scatterlayer path")

    page.select_option("#first", "run-0")
    _says(page, "#verdict", "against Image only, seed 0")

    before = page.locator("#answer-shown h3").all_inner_texts()
    assert before == ["TIRG, trained at full", "TIRG + DIM"]
    assert page.locator("#answer-shown .list").first.locator("img").count() == 8
    page.click("#after")
    assert page.locator("#before").is_enabled()

    page.locator("#curves").scroll_into_view_if_needed()
    page.wait_for_selector("#curve-loss .scatterlayer path")
    page.click("#curve-clear")
    page.select_option("#curve-run", "run-2")
    page.click("#curve-add")
    expect(page.locator("#curve-validation .legendtext")).to_have_count(1, timeout=SLOW)

    figure = page.locator("#figure-recall-css-mini-3d-3d")
    figure.scroll_into_view_if_needed()
    assert "papermill notebooks/04" in figure.inner_text()
    figure.locator("summary").click()
    assert "run-2" in figure.inner_text()
    assert page.locator("img:not([alt]), img[alt='']").count() == 0


def test_a_filter_of_a_column_lists_its_values(opened):
    page = opened
    head = page.locator("#table thead th", has_text="method").first
    head.locator("button[aria-haspopup]").last.click()
    page.locator(".dtcc-dropdown button", has_text="Image only").click()
    _shows(page, ["Image only"])

"""Notebook 00 in a real browser: as a page of voila, and run in JupyterLab.

A thumbnail is clicked, an edit chosen from the menus, and the answers are waited for; the browser
must report no error. Pictures of what it saw lie in the folder that CMIR_SHOTS names.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from cmir_repro.core import paths
from cmir_repro.play import models

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NOTEBOOK = "00_play.ipynb"
SECONDS = 240  # on a busy machine; a free one needs a tenth
TOKEN = "of-this-test"
# What voila's page asks of the network: icons that this notebook does not use.
FOREIGN = "https://cdn.jsdelivr.net/**"
SERVERS = {
    "voila": (["voila", f"{{folder}}/{NOTEBOOK}", "--no-browser", "--port={port}"], "/"),
    "lab": (
        ["jupyterlab", "--no-browser", "--allow-root", "--port={port}",
         "--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}",
         "--LabApp.news_url=", "--LabApp.expose_app_in_browser=False"],
        f"/lab/tree/{NOTEBOOK}?token={TOKEN}",
    ),
}  # fmt: skip


@pytest.fixture
def browser():
    """Debian's Chromium, driven by Playwright."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@contextmanager
def served(kind, folder):
    """The address of a server of the notebook, started for this test and stopped after it.

    It serves a copy, because JupyterLab saves what it has run.
    """
    shutil.copy(paths.checkout() / "notebooks" / NOTEBOOK, folder)
    log = folder / "log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, path = SERVERS[kind]
    command = [sys.executable, "-m", *(word.format(port=port, folder=folder) for word in command)]
    found = {"PYTHONPATH": [str(paths.checkout()), *sys.path], "CMIR_HOME": [str(paths.home())]}
    env = {**os.environ, **{name: os.pathsep.join(value) for name, value in found.items()}}
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=paths.checkout(), env=env, stdout=out, stderr=out)
        try:
            _wait_for(port, server, log)
            yield f"http://127.0.0.1:{port}{path}"
        finally:
            server.terminate()  # it ends its kernels
            server.wait(SECONDS)


def _wait_for(port, server, log):
    for _ in range(SECONDS * 5):
        assert server.poll() is None, log.read_text()[-2000:]
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(f"no server after {SECONDS} s: {log.read_text()[-2000:]}")


@contextmanager
def opened(browser, address):
    """A page, and what went wrong in it."""
    page = browser.new_page(viewport={"width": 1300, "height": 1150})
    page.set_default_timeout(1000 * SECONDS)
    wrong = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.route(FOREIGN, lambda route: route.fulfill(body="", content_type="text/css"))
    page.goto(address)
    yield page, wrong
    page.close()


def run_all_cells(page):
    """In JupyterLab, where the saved notebook shows its still picture first."""
    page.wait_for_selector(".jp-Notebook .cmir-answers img[alt^=right]")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()


def menu(page, label):
    """The drop-down below a label of the first panel."""
    return page.locator(f".widget-vbox:has(> .widget-label:text-is('{label}')) select").first


def shot(page, name):
    folder = os.environ.get("CMIR_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.mark.parametrize("kind", SERVERS)
def test_a_picture_is_clicked_an_edit_chosen_and_the_target_found(kind, browser, tmp_path):
    with served(kind, tmp_path) as address, opened(browser, address) as (page, wrong):
        if kind == "lab":
            run_all_cells(page)
        page.locator(".cmir-thumbnail").first.wait_for()
        asked = page.locator(".widget-html .cmir-query")
        assert models.TEXT in asked.first.inner_text()
        shot(page, f"{kind}-first")

        # Another picture becomes the source.
        source = asked.first.locator("img").first
        before = source.get_attribute("src")
        page.locator(".cmir-thumbnail").nth(1).click()
        page.wait_for_function(
            "before => document.querySelector('.widget-html .cmir-query img').src != before",
            arg=before,
        )
        assert "cmir-chosen" in page.locator(".cmir-thumbnail").nth(1).get_attribute("class")

        # The first picture again, and an edit by the menus, whose target is in the gallery.
        page.locator(".cmir-thumbnail").first.click()
        menu(page, "verb").select_option("make")
        menu(page, "position").select_option("any")
        menu(page, "size").select_option("any")
        menu(page, "colour").select_option("green")
        menu(page, "shape").select_option("circle (sphere)")
        menu(page, "becomes").select_option("purple")
        page.wait_for_function(
            "text => document.querySelector('.widget-html .cmir-query').innerText.includes(text)",
            arg=models.TEXT,
        )
        rows = page.locator(".widget-html .cmir-answers").first.locator("tr")
        assert rows.count() == len(models.SHIPPED)
        for row in rows.all():
            assert row.locator("img").count() == 8
            assert " ms" in row.locator(".cmir-ms").inner_text()
        found = page.locator(".widget-html tr[data-model='TIRG + DIM']").first
        assert found.locator(".cmir-right").count() >= 1
        assert "rank 1" in " ".join(found.inner_text().split())
        shot(page, f"{kind}-asked")

        # Words that no model knows are struck out.
        words = page.locator(".widget-text input").first
        words.fill("turn the ball blue")
        words.press("Enter")
        asked.first.locator("s").first.wait_for()
        assert asked.first.locator("s").all_inner_texts() == ["turn", "the", "ball"]
        shot(page, f"{kind}-own-words")
    assert wrong == []

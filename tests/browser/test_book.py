"""The book: built without a network, no link leads nowhere, and a browser shows it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from cmir_repro.core import paths

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PAGES = {
    "index.html": "cmir_repro",
    "notebooks/03_train_dim.html": "deep mutual information",
    "docs/results/composed.html": "Composed retrieval",
}


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The folder of the built book; a warning, as of a link that leads nowhere, is an error."""
    folder, books = tmp_path_factory.mktemp("book"), Path("docs", "book")
    given = ["--config", books / "_config.yml", "--toc", books / "_toc.yml"]
    strict = ["--warningiserror", "--nitpick", "--keep-going", "--quiet"]
    command = [Path(sys.executable).with_name("jupyter-book"), "build", "."]
    built = subprocess.run(
        [*command, *given, "--path-output", folder, *strict],
        cwd=paths.checkout(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    return folder / "_build" / "html"


def test_every_notebook_and_page_is_in_it(book):
    checkout = paths.checkout()
    written = [*checkout.glob("notebooks/*.ipynb"), *checkout.glob("docs/**/*.md")]
    for page in written:
        assert (book / page.relative_to(checkout).with_suffix(".html")).exists(), page


def test_no_local_link_leads_nowhere(book):
    for page in book.rglob("*.html"):
        if "_static" in page.parts:  # templates of the theme
            continue
        for link in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:|//", link):
                assert (page.parent / unquote(link)).exists(), f"{page.relative_to(book)}: {link}"


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_shows_it_without_a_network(book, tmp_path):
    from playwright.sync_api import sync_playwright

    asked, wrong = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: wrong.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        for name, title in PAGES.items():
            page.goto((book / name).as_uri())
            assert title in page.title() + page.locator("h1").first.inner_text()
            seen = "image => image.complete && image.naturalWidth > 0"
            images = page.locator("article img")
            assert images.count() > 0
            assert all(each.evaluate(seen) for each in images.all()), name
        page.goto((book / "notebooks" / "03_train_dim.html").as_uri())
        page.wait_for_selector("mjx-container", timeout=30_000)  # formulas are typeset
        page.screenshot(path=tmp_path / "book.png")
        browser.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []

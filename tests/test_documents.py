"""README, CONTRIBUTING and docs: short where that was promised, and no link leads nowhere."""

import re

import pytest

from cmir_repro.core import paths
from cmir_repro.report import pages

CHECKOUT = paths.checkout()
DOCUMENTS = (
    "README.md", "CONTRIBUTING.md", "notebooks/exercises/solutions.md",
    *sorted((CHECKOUT / "docs").rglob("*.md")),
)  # fmt: skip
LINK = re.compile(r"\]\(([^)\s]+)\)")
README_BYTES, SUMMARY_ROWS = 8192, 6


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d).removeprefix(f"{CHECKOUT}/"))
def test_relative_links_exist(document):
    page = CHECKOUT / document
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link or link.startswith("mailto:"):
            continue
        file, _, heading = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{document}: {link}"
        if heading and target.suffix == ".md":
            assert heading in headings(target), f"{document}: {link}"


def headings(page):
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_is_short():
    readme = (CHECKOUT / "README.md").read_bytes()
    assert len(readme) <= README_BYTES
    summary = readme.decode().partition(pages.START.format("summary"))[2].partition(pages.STOP)[0]
    assert len(summary.strip().splitlines()) - 2 <= SUMMARY_ROWS


def test_the_readme_links_every_notebook_and_page():
    links = LINK.findall((CHECKOUT / "README.md").read_text(encoding="utf-8"))
    wanted = {f"notebooks/{file.name}" for file in (CHECKOUT / "notebooks").glob("*.ipynb")}
    wanted |= {f"docs/data/{file.name}" for file in (CHECKOUT / "docs" / "data").glob("*.md")}
    assert wanted <= set(links)

"""docs/reliability.md and docs/performance.md: a part a benchmark, each between its own markers.

    from generated_page import write_part
    write_part("Mutated files", "| reader | mutants |...")

Text outside the markers is written by hand and kept. Parts hold counts, the hardware and the
command that made them, and no dates, so that they change only where a number does.
"""

import os
import platform
import re

from cmir_repro.core import paths
from cmir_repro.core.files import write_text

DOCS = paths.checkout() / "docs"
START, STOP = "<!-- generated: {} -->", "<!-- end of {} -->"
HEADS = {
    "reliability.md": """# Reliability

Faults and hostile files, tried in numbers. Short versions of these trials are in `make test`.
""",
    "performance.md": """# Performance

Each way is timed beside its baseline: in turns, in one run, on one thread, by the processor's
clock, which other programs hardly change. A ratio is the median of the turns' ratios. `make bench`
writes this page anew.
""",
}


def write_part(title: str, markdown: str, name: str = "reliability.md") -> None:
    """Put `markdown` under the heading `title`, in place of what stood there or at the end.

    Args:
        title: of the part, such as "Mutated files".
        markdown: without the heading.
        name: of the page, a key of HEADS.
    """
    start, stop = START.format(title), STOP.format(title)
    part = f"{start}\n## {title}\n\n{markdown.strip()}\n{stop}"
    path = DOCS / name
    page = path.read_text(encoding="utf-8") if path.exists() else HEADS[name]
    found = re.compile(re.escape(start) + ".*?" + re.escape(stop), re.DOTALL)
    if found.search(page):
        page = found.sub(lambda _: part, page)
    else:
        page = f"{page.rstrip()}\n\n{part}\n"
    write_text(path, page)


def hardware() -> str:
    """What the counts were made on, in words."""
    python = platform.python_version()
    return f"{os.cpu_count()} cores of {platform.machine()}, {platform.system()}, Python {python}"

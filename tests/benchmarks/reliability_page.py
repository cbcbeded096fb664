"""docs/reliability.md: a part a benchmark, each between markers of its own.

    from reliability_page import write_part
    write_part("Mutated files", "| reader | mutants |...")

Text outside the markers is written by hand and kept. Parts hold counts, the hardware and the
command that made them, and no dates, so that they change only where a count does.
"""

import os
import platform
import re

from cmir_repro.core import paths
from cmir_repro.core.files import write_text

PAGE = paths.checkout() / "docs" / "reliability.md"
START, STOP = "<!-- generated: {} -->", "<!-- end of {} -->"
HEAD = """# Reliability

Faults and hostile files, tried in numbers. Short versions of these trials are in `make test`.
"""


def write_part(title: str, markdown: str) -> None:
    """Put `markdown` under the heading `title`, in place of what stood there or at the end.

    Args:
        title: of the part, such as "Mutated files".
        markdown: without the heading.
    """
    start, stop = START.format(title), STOP.format(title)
    part = f"{start}\n## {title}\n\n{markdown.strip()}\n{stop}"
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else HEAD
    found = re.compile(re.escape(start) + ".*?" + re.escape(stop), re.DOTALL)
    if found.search(page):
        page = found.sub(lambda _: part, page)
    else:
        page = f"{page.rstrip()}\n\n{part}\n"
    write_text(PAGE, page)


def hardware() -> str:
    """What the counts were made on, in words."""
    python = platform.python_version()
    return f"{os.cpu_count()} cores of {platform.machine()}, {platform.system()}, Python {python}"

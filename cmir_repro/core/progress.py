"""Progress bars that stay quiet where they are recorded."""

import sys

from tqdm import tqdm


def bar(*arguments, **options) -> tqdm:
    """A tqdm bar on standard output.

    A terminal is redrawn often; in a notebook or a log, where every update is kept, a line every
    few seconds is enough.
    """
    seconds = 0.1 if sys.stdout.isatty() else 3.0
    return tqdm(*arguments, file=sys.stdout, mininterval=seconds, **options)

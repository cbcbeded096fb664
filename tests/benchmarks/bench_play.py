"""How long a reader of notebook 00 waits: loading, the first answer, later ones.

On one thread, by the clock and by the processor; other programs stretch the former only. An
answer is everything between the click and the message to the browser: four models, the search, a
target that has to be drawn, pictures and HTML.
"""

import statistics
import time
from collections.abc import Callable

import torch

from cmir_repro.play import composed_panel, sentence_panel, tag_panel

EDITS = ("make circle red", "remove small object", "add large cyan triangle to top-left", "blue")


def timed(do: Callable[[], object]) -> tuple[float, float, object]:
    """Seconds by the clock, seconds of the processor, and what it gives."""
    clock, processor = time.perf_counter(), time.process_time()
    made = do()
    return time.perf_counter() - clock, time.process_time() - processor, made


def waits(name: str, load: Callable[[], object], asks: list[Callable[[object], object]]) -> None:
    """Print how long a panel takes to load, and to answer."""
    clock, processor, panel = timed(load)
    found = [timed(lambda ask=ask: ask(panel))[:2] for ask in asks]
    first, later = found[0], list(zip(*found[1:], strict=True))
    middle, most = ([f(side) * 1000 for side in later] for f in (statistics.median, max))
    print(
        f"{name}: loaded with its first answer in {clock:.1f} s ({processor:.1f} s of the "
        f"processor); next answer {first[0] * 1000:.0f} ms ({first[1] * 1000:.0f}); later ones "
        f"{middle[0]:.0f} ms ({middle[1]:.0f}), at most {most[0]:.0f} ms ({most[1]:.0f}), "
        f"of {len(later[0])}"
    )


def main() -> None:
    torch.set_num_threads(1)
    clicks = [lambda panel, n=n: panel.strip.buttons[n].click() for n in range(1, 20)]
    edits = [lambda panel, text=text: panel.ask(text) for text in EDITS * 5]
    both = [ask for pair in zip(clicks, edits, strict=False) for ask in pair]
    waits("picture and edit, four models", composed_panel.panel, both)
    texts = [f"a {size} {color} cube" for size in ("small", "large") for color in ("red", "blue")]
    sentences = [lambda panel, text=text: panel.ask(text) for text in texts]
    waits("sentences", sentence_panel.panel, [*sentences, *clicks])
    tags = [lambda panel, text=text: panel.ask(text) for text in ("blue", "red cube", "redcube")]
    waits("tags", tag_panel.panel, [*tags, *clicks])


if __name__ == "__main__":
    main()

"""The table of composed retrieval has DIM beside without, and what others published."""

from made_up_records import keep, with_recalls

from cmir_repro.experiments.presets.dim import configure
from cmir_repro.report import tables


def rows_of(text):
    """The cells of the first Markdown table, without the rule below its head."""
    first = text.partition("differences:")[0]
    rows = [line.split("|")[1:-1] for line in first.splitlines() if line.startswith("|")]
    assert {len(row) for row in rows} == {10}
    assert rows[1] == ["---"] * 10
    return [[cell.strip() for cell in row] for row in (rows[0], *rows[2:])]


def test_markdown_has_a_row_a_method_with_and_without_dim(three_seeds):
    for seed in (0, 1):
        keep(with_recalls("TIRG + DIM", seed, (70, 91, 99), seconds=95.0), [1, 1, 1, 1])
    keep(with_recalls("FiLM", 0, (50, 80, 90)), [1, 1, 5, 5])
    keep(with_recalls("FiLM + DIM", 0, (55, 82, 92)), [1, 1, 1, 5])
    text = tables.markdown("dim", "css", "mini", "3d-3d")
    head, image, film, tirg, chance = rows_of(text)
    assert head == [
        "method", "seeds", "chosen by", "R@1", "R@5", "R@10", "R@1 with DIM", "DIM minus without",
        "published R@1", "why they may differ",
    ]  # fmt: skip
    why = "No source with its number could be read."
    assert image == ["Image only", "1", "last step", "6.0", "28.0", "56.0", "", "", "unknown", why]
    assert film[:7] == ["FiLM", "1", "last step", "50.0", "80.0", "90.0", "55.0"]
    assert film[7].startswith("+25.0 [+0.0, ")
    assert film[7].endswith("] (1 seed: queries only)")
    assert tirg[:4] == ["TIRG", "3", "last step", "63.0 [55.5, 70.5]"]
    assert tirg[6] == "70.0 [70.0, 70.0] (2 seeds)"
    # Seeds 0 and 1: hits 1 1 .5 0 against 1 1 1 1.
    assert tirg[7].startswith("+37.5 [")
    assert tirg[8] == "73.7 / 76.0"
    assert "160,000 steps on the released Blender pictures" in tirg[9]
    assert chance == ["*chance*", "", "", "0.10", "0.50", "1.00", "", "", "", ""]
    below = text.partition("*chance*")[2]
    for words in (
        "4 queries, gallery of 9",
        "`tirg/css`",
        "pictures: rendered",
        "selection: last step",
        "took 12 to 95 s",
        "2 cores of a chip.",
        "Published, on the released pictures: TIRG 73.7: ",
    ):
        assert words in below


def test_what_the_processor_took_is_said_of_the_runs_that_know_it(root):
    def below():
        return tables.markdown("dim", "css", "mini", "3d-3d")

    keep(with_recalls("TIRG", 0, (60, 90, 99), seconds=900.0, cpu_seconds=80.4))
    assert "took 900 to 900 s, 80 to 80 s of the processor. Hardware" in below()
    keep(with_recalls("TIRG", 1, (60, 90, 99), seconds=30.0))
    assert "took 30 to 900 s, 80 to 80 s of the processor (1 of 2 runs). Hardware" in below()


def test_markdown_of_photographs_claims_no_published_number(root):
    config = configure("photos", method="TIRG").model_dump(mode="json")
    keep(with_recalls("TIRG", 0, (60, 90, 99), dataset="photos", task="photo", config=config))
    text = tables.markdown("dim", "photos", "mini", "photo")
    tirg = rows_of(text)[1]
    assert tirg[:4] == ["TIRG", "1", "last step", "60.0"]
    assert tirg[6:9] == ["", "", "none: data of our own"]
    assert tirg[9] == "Nobody else has measured on these pictures and queries."
    assert "Published" not in text

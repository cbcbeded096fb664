"""Published numbers come with their source, and only where somebody measured the same thing."""

import re

import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.experiments.presets.dim import METHODS
from cmir_repro.report import published

NONE = "none: data of our own"
PROTOCOLS, DATASETS = published.known("aai"), published.known("crcgs")


def rows(table):
    return table.set_index("method")


def test_every_row_has_a_source_and_says_how_well_it_is_known():
    found = published.numbers()
    assert set(found["system"]) == {"dim", "composed", "aai", "crcgs"}
    assert set(found["certainty"]) == set(published.CERTAINTIES)
    assert (found["source"] != "").all()
    assert not found.stack().astype(str).str.contains("|", regex=False).any()  # would break a table
    key = ["system", "dataset", "protocol", "task", "method", "metric"]
    # Two sources may differ on composed retrieval; else a method has one number of a metric.
    assert not found[[*key, "source"]].duplicated().any()
    assert not found.loc[found["system"] != "dim", key].duplicated().any()


def test_a_value_is_possible_and_is_there_where_one_is_known():
    found = published.numbers()
    missing = found["value"].isna()
    assert (missing == (found["metric"] == "")).all()
    assert (missing == found["certainty"].isin(["unknown", "from memory, not shown"])).all()
    bounds = found["system"].map(
        {"dim": (0, 100), "composed": (0, 100), "aai": (0, 600), "crcgs": (30, 90)}
    )
    low, high = bounds.str[0], bounds.str[1]
    assert found["value"].between(low, high, inclusive="right")[~missing].all()


@pytest.mark.parametrize(
    ("method", "dataset", "task", "shown"),
    [
        ("TIRG", "css", "3d-3d", "73.7 / 76.0"),
        ("TIRG", "css-released", "2d-3d", "46.6"),
        ("TIRG", "css", "2d-2d", "unknown"),
        ("TIRG + DIM", "css", "3d-3d", "unknown"),
        ("TIRG", "photos", "3d-3d", NONE),
        ("FiLM", "photos", "photo", NONE),
    ],
)
def test_a_number_is_shown_or_said_to_be_unknown(method, dataset, task, shown):
    assert published.r1(method, dataset, task) == shown


@pytest.mark.parametrize("dataset", ["css", "css-released", "photos"])
@pytest.mark.parametrize("task", ["3d-3d", "2d-3d", "photo"])
def test_a_line_a_number_is_listed_below_a_table_that_shows_it(dataset, task):
    lines = published.sources(dataset, task)
    shown = [published.r1(method, dataset, task) for method in METHODS]
    numbers = [n for cell in shown if cell not in (NONE, "unknown") for n in cell.split(" / ")]
    assert [line.split(":")[0] for line in lines] == [f"TIRG {n}" for n in numbers]
    assert all("README" in line for line in lines)


def test_each_row_says_in_one_sentence_why_numbers_may_differ():
    found = {
        published.why(method, dataset, "3d-3d")
        for method in METHODS
        for dataset in ("css", "photos")
    }
    assert len(found) == 3
    assert all(text.endswith(".") and text.count(". ") == 0 for text in found)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_published_sum_is_that_of_its_parts(protocol):
    assert preset(protocol).direction == "both"
    found = rows(published.recalls(protocol))
    parts = found[list(published.RECALLS)].dropna()
    # Each of the six is rounded to 0.1, and so is the sum: at most 7 times 0.05 apart.
    assert (parts.sum(axis=1) - found.loc[parts.index, "RSUM"]).abs().max() <= 0.35 + 1e-9
    assert found["RSUM"].drop(parts.index).isna().all()
    for side in ("i2t", "t2i"):
        ordered = parts[[f"{side} R@{k}" for k in (1, 5, 10)]]
        assert (ordered.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_aai_has_no_number(protocol):
    table = published.recalls(protocol)
    (aai,) = table[table["method"].str.contains("AAI")].to_dict("records")
    assert aai["certainty"] == "unknown"
    line = next(x for x in published.markdown(table, 1).splitlines() if x.startswith("| AAI "))
    assert not any(letter.isdigit() for letter in line)


def test_what_is_known_from_memory_only_is_not_shown():
    found = published.numbers().query("certainty == 'from memory, not shown'")
    assert found["method"].tolist() == ["TCL, 4M, tuned"]
    text = published.markdown(published.recalls("flickr30k-1k"), 1)
    assert "| TCL, 4M, tuned | not shown |" in text
    # One number of it was seen, on COCO.
    row = rows(published.recalls("coco-5k")).loc["TCL, 4M, tuned"]
    assert row["t2i R@1"] == 59
    assert row[["i2t R@1", "RSUM"]].isna().all()


def test_recalls_are_as_published():
    row = rows(published.recalls("coco-1k-5fold")).loc["VSE-infinity, regions + BERT"]
    assert row[list(published.RECALLS)].tolist() == [79.7, 96.4, 98.9, 64.8, 91.4, 96.3]
    assert (row["RSUM"], row["certainty"]) == (527.5, "verified")
    assert rows(published.recalls("coco-5k")).loc["ALBEF, 4M, tuned", "RSUM"] == 488  # our sum


def test_codes_are_as_published_in_percent():
    found = rows(published.codes("nuswide"))
    ssah = found.loc["SSAH, VGG19"]
    assert ssah[list(published.CODES)].tolist() == [63.6, 63.6, 63.7, 65.3, 67.6, 68.3]
    assert ssah["certainty"] == "verified"
    assert found.loc["DCMH, VGG19, by the authors of SSAH", "certainty"] == "secondary"
    lines = published.markdown(published.codes("coco"), 2).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "unknown | 73.13 | 76.12 | unknown | 74.28 | 77.28 | queries" in lines[-2]


# The repository's own averages of both directions, rounded to four places.
AVERAGES = {"mirflickr": (86.13, 87.15), "nuswide": (76.55, 78.34), "coco": (73.70, 76.70)}


@pytest.mark.parametrize("dataset", DATASETS)
def test_no_depth_passes_for_the_other(dataset):
    """The article of CRCGS has no number; the release alone was scored at a depth of its own."""
    found = rows(published.codes(dataset))
    assert set(found["depth"]) == {*preset("map-all").depths, "unknown"}
    article, released = found.loc["CRCGS, article"], found.loc["CRCGS, released results"]
    assert article[list(published.CODES)].isna().all()
    assert (article["certainty"], article["depth"]) == ("unknown", "unknown")
    assert released["depth"] == "queries"
    assert "whether the article's table says the same is unknown" in released["source"]
    assert released[["i2t 16", "t2i 16"]].isna().all()
    assert published.codes(dataset, "queries")["method"].tolist() == ["CRCGS, released results"]
    assert "CRCGS" not in " ".join(published.codes(dataset, "all")["method"])
    for bits, average in zip((32, 64), AVERAGES[dataset], strict=True):
        both = (released[f"i2t {bits}"] + released[f"t2i {bits}"]) / 2
        assert both == pytest.approx(average, abs=0.01 + 1e-9)


def test_what_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"coco-1k-first-fold.*flickr30k-1k"):
        published.recalls("coco-1k-first-fold")
    with pytest.raises(InputError, match=r"dataset 'css' is unknown; allowed: mirflickr"):
        published.codes("css")
    with pytest.raises(InputError, match="depth '50' is unknown"):
        published.codes("coco", "50")


def test_models_printed_under_both_galleries_of_fashioniq_differ_as_the_literature_says():
    found = published.two_galleries()
    assert len(found) == 6
    assert (found["VAL's gallery"] > found["owners' gallery"]).all()
    assert found["difference"].max() == pytest.approx(8.32)
    assert found["difference"].min() == pytest.approx(6.64)
    assert found["difference"].mean() == pytest.approx(7.8, abs=0.05)


@pytest.mark.parametrize("dataset", published.known("composed"))
def test_numbers_of_composed_retrieval_have_a_rule_and_a_source(dataset):
    found = published.composed(dataset)
    assert all(preset(name).name == name for name in found["protocol"])
    known = "verified" if dataset == "circo" else "secondary"
    assert (found["certainty"] == known).all()
    assert not found.duplicated(["method", "protocol"]).any()
    lines = published.markdown(found, 2).splitlines()[2:]
    assert all(re.search(r"\| \d+\.\d\d \|", line) for line in lines)


# Rows that look shifted in the source: these methods, by the first word of their names.
SHIFTED = {"fashion200k": ["MCR"], "mitstates": ["GSCMR", "LBF"], "cirr": ["ComposeAE", "SAC"]}


@pytest.mark.parametrize("dataset", published.known("composed"))
def test_no_row_is_shifted_by_a_column(dataset):
    found = published.composed(dataset)
    first = found["method"].str.extract(r"^([\w-]+)", expand=False)
    assert not first.isin(SHIFTED.get(dataset, [])).any()
    places = [c for c in found if re.fullmatch(r"(R|mAP)@\d+", c)]
    rising = found[places].T.interpolate().T.diff(axis=1).iloc[:, 1:]
    assert not (rising < 0).any(axis=None)


def test_data_of_which_nothing_was_published_are_refused():
    with pytest.raises(InputError, match="'bags' is unknown; allowed: css, fashion200k"):
        published.composed("bags")

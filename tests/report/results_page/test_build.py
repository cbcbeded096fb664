"""The page as a file: everything in it, nothing outside, and what lacks is said."""

import base64
import gzip
import json
import re

import pytest

import cmir_repro as cmir
from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import ledger, shared
from cmir_repro.report import results_page
from cmir_repro.report.results_page import answers, build


def test_the_page_holds_all_of_it_and_names_no_address(small, tmp_path):
    path = results_page.write()
    assert path == tmp_path / "home" / "results.html"
    text = path.read_text()
    packed = re.search(r'id="data">([^<]*)<', text)[1]
    shown = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert [run["run"] for run in shown["runs"]] == ["run-0", "run-1", "run-2"]
    assert shown["notes"] == []
    outside = re.sub(r"<script type=[^>]*>[^<]*</script>|<style>.*?</style>", "", text, flags=re.S)
    assert not re.findall(r"(?:src|href)=[\"'](?!#|data:)", outside)
    assert "https:" not in outside
    assert path.stat().st_size < build.MOST_BYTES


def test_the_same_ledger_makes_the_same_page(small):
    assert results_page.page(results_page.content()) == results_page.page(results_page.content())


def test_each_query_has_its_pictures_once_and_its_text(small):
    shown = results_page.content()
    (one,) = shown["sets"]
    part = small.retrieval("test")
    assert [text for _, text, _, _ in one["shown"]] == part.texts
    used = {n for source, _, target, _ in one["shown"] for n in (source, target)}
    assert used == set(range(len(shown["pictures"])))
    assert len(used) == len({*part.source.tolist(), *part.target.tolist()})


def test_a_figure_names_its_command_and_its_records(small):
    shown = results_page.content()["figures"]
    (figure,) = [one for one in shown if one["name"] == "recall-css-mini-3d-3d"]
    assert figure["command"] == (
        "papermill notebooks/04_does_dim_help.ipynb out.ipynb -p dataset css -p task 3d-3d "
        "-p scale mini"
    )
    assert figure["runs"] == ["run-0", "run-1", "run-2"]
    assert figure["caption"].endswith(".")


def test_answers_are_those_that_the_model_gives_one_by_one(small, monkeypatch):
    monkeypatch.setattr(shared, "names", lambda: ["css/tirg-dim-mini"])
    monkeypatch.setattr(answers, "ASKED", 3)
    shown = results_page.content()
    (one,) = shown["sets"]
    (given,) = one["answers"]
    assert given["model"] == "TIRG + DIM"
    assert len(given["found"]) == len(one["asked"]) == 3
    part, model = small.retrieval("test"), cmir.load("css/tirg-dim-mini")
    n = one["asked"][1]
    source = part.gallery_ids[part.source[n]]
    names = model.query(source, part.texts[n], top=answers.FIRST, scale="mini")
    place = {name: at for at, name in enumerate(part.gallery_ids.tolist())}
    right = [int(part.gallery_labels[place[x]] == part.query_labels[n]) for x in names]
    assert [hit for _, _, hit in given["found"][n]] == right


def test_an_empty_ledger_is_refused_in_a_line(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path / "none"))
    with pytest.raises(InputError, match="no ledger holds a run yet"):
        results_page.write(tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_without_the_data_or_with_others_pictures_are_left_out_and_it_is_said(small):
    found = ledger.read("run-0")
    data = {**found.data, "tables": "another"}
    for n in range(3):
        record = ledger.read(f"run-{n}").model_copy(update={"data": data})
        ledger.save(record, ledger.queries(record.run), [{"step": 1, "loss": 1.0}])
    shown = results_page.content()
    assert shown["pictures"] == []
    (said,) = shown["notes"]
    assert "the data here are not those of the records" in said


def test_a_page_that_would_be_too_large_is_refused(small, monkeypatch, tmp_path):
    monkeypatch.setattr(build, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match="more than 1,000"):
        results_page.write(tmp_path / "page.html")


def test_the_committed_ledger_makes_a_page_under_the_limit(monkeypatch, tmp_path):
    monkeypatch.delenv("CMIR_COMMITTED")
    monkeypatch.setenv("CMIR_HOME", str(tmp_path))
    monkeypatch.setattr(shared, "names", list)
    monkeypatch.setattr(build.queries, "looks", lambda *_: None)  # nothing is drawn
    shown = results_page.content()
    assert len(shown["runs"]) > 300
    assert [note for note in shown["notes"] if "damaged" in note] == []
    made = {figure["name"] for figure in shown["figures"] if figure["command"]}
    assert made == {path.stem for path in paths.committed_figures().glob("*.png")}
    assert len(results_page.page(shown).encode()) < build.MOST_BYTES - 2_500_000  # of pictures

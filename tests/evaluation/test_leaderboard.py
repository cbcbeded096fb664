"""Results in the forms of MTEB and of model cards: what others ask of them, and read again."""

import json

import numpy as np
import pytest
import tiny_releases

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.data.readers import benchmarks
from cmir_repro.evaluation import judged as scoring
from cmir_repro.evaluation import leaderboard


@pytest.fixture
def result(tmp_path):
    judged = benchmarks.mteb_cirr(tiny_releases.cirr(tmp_path / "cirr"))
    scores = np.random.default_rng(0).random((len(judged.ids), len(judged.images)))
    rule = preset("mteb/cirr")
    found = scoring.of_scores(judged, scoring.of_matrix(scores, judged.images), rule)
    return scoring.summary(judged, found, rule)


def test_a_task_result_is_what_mteb_validates(result, tmp_path):
    leaderboard.write(tmp_path / "CIRRIT2IRetrieval.json", result, "mteb")
    found = json.loads((tmp_path / "CIRRIT2IRetrieval.json").read_text())
    assert set(found) == {
        "dataset_revision", "task_name", "mteb_version", "scores", "evaluation_time",
        "kg_co2_emissions",
    }  # fmt: skip
    assert found["task_name"] == "CIRRIT2IRetrieval"
    (one,) = found["scores"]["test"]
    assert isinstance(one["hf_subset"], str)
    assert isinstance(one["languages"], list)
    percent = result["metrics"]["nDCG@10"]["value"]
    assert one["main_score"] == one["ndcg_at_10"] == pytest.approx(percent / 100, abs=1e-6)
    assert one["cv_recall_at_5"] == pytest.approx(result["metrics"]["R@5"]["value"] / 100, abs=1e-6)
    assert not any(key.startswith("recall_at") for key in one)  # MTEB's recall is no hit


def test_both_forms_are_read_again(result, tmp_path):
    wanted = {name: m["value"] for name, m in result["metrics"].items()}
    leaderboard.write(tmp_path / "a.json", result, "mteb")
    found = leaderboard.read(tmp_path / "a.json")["CIRRIT2IRetrieval, test, default"]
    assert found.pop("main score") == pytest.approx(wanted["nDCG@10"], abs=1e-3)
    assert found == pytest.approx(wanted, abs=1e-3)
    leaderboard.write(tmp_path / "README.md", result, "card", "me/mine")
    (name, metrics), *_ = leaderboard.read(tmp_path / "README.md").items()
    assert name.startswith("me/mine, mteb/cirr: ")
    assert metrics == pytest.approx(wanted, abs=1e-3)
    assert "nDCG@10" in leaderboard.text({name: metrics})


def test_the_hub_reads_the_card(result):
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard(leaderboard.model_card(result, "me/mine") + "\n# Mine\n")
    found = {e.metric_type: e.metric_value for e in card.data.eval_results}
    wanted = {name: m["value"] for name, m in result["metrics"].items()}
    assert found == pytest.approx(wanted, abs=1e-3)
    assert card.data.model_name == "me/mine"


def test_a_card_replaces_no_file(result, tmp_path):
    page = tmp_path / "README.md"
    page.write_text("# Mine\n")
    with pytest.raises(InputError, match=r"README\.md is there already .*; name another file"):
        leaderboard.write(page, result, "card", "me/mine")
    assert page.read_text() == "# Mine\n"


def test_ranks_are_no_percentages(result):
    ranks = {name: {"value": 3.0} for name in ("median rank", "i2t mean rank")}
    card = leaderboard.model_card(result | {"metrics": {"R@1": {"value": 7.0}} | ranks}, "me/mine")
    assert "name: R@1 (mteb/cirr, percent)" in card
    assert all(f"name: {name} (mteb/cirr, places)" in card for name in ranks)


def test_a_result_is_read_as_it_is(result, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(result))
    ((name, metrics),) = leaderboard.read(tmp_path / "a.json").items()
    assert name.startswith("mteb/cirr: ")
    assert metrics == {name: m["value"] for name, m in result["metrics"].items()}


def test_other_protocols_have_no_task(result):
    other = result | {"protocol": preset("cirr/official").as_dict()}
    with pytest.raises(InputError, match="'cirr/official' is unknown; allowed: mteb/fashioniq"):
        leaderboard.task_result(other)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda r: r.pop("protocol"),
            "the result has no protocol; name a file of MTEB, or of --out",
        ),
        (lambda r: r.clear(), "the result has no protocol and no metrics; name"),
        (lambda r: r.update(protocol=3), "the result: protocol is 3, expected dict"),
        (lambda r: r.update(metrics={"R@1": 3}), "metric 'R@1' is no dictionary"),
        (lambda r: r.update(metrics={"R@1": {"value": "3"}}), "value is '3', expected float"),
    ],
)
def test_results_that_cannot_be_used(edit, message, result):
    edit(result)
    with pytest.raises(InputError, match=message):
        leaderboard.model_card(result, "me/mine")


def test_a_card_needs_a_name_and_a_form_is_one_of_two(result, tmp_path):
    with pytest.raises(InputError, match="give --model NAME"):
        leaderboard.write(tmp_path / "a.md", result, "card")
    with pytest.raises(InputError, match="form 'csv' is unknown; allowed: mteb, card"):
        leaderboard.write(tmp_path / "a.md", result, "csv")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{}", "is no dict or empty"),
        ("a.json", '{"seeds": 1}', "a.json: the result has no protocol and no metrics; name"),
        ("a.json", '{"task_name": "x", "scores": {"test": [{}]}}', "main_score is None"),
        ("a.json", '{"task_name": "x", "scores": {"test": 3}}', "is no dictionary"),
        ("a.json", '{"task_name": "x", "scores": {}}', "scores are empty"),
        (
            "a.json",
            '{"task_name": "x", "scores": {"test": [{"main_score": 0.5, "map_at_10": 17.2}]}}',
            "entry 0: map_at_10 is 17.2, expected a fraction from 0 to 1",
        ),
        ("a.md", "# Title", "has no readable model-index"),
        ("a.md", "---\nmodel-index: [{name: x}]\n---\n", "has no readable model-index"),
        ("a.yaml", "a: [", "has no readable model-index"),
    ],
)
def test_files_that_cannot_be_used(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        leaderboard.read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_perfect_score_may_be_a_whole_number(tmp_path):
    scores = {"test": [{"main_score": 1, "map_at_10": 1, "recall_at_10": 0.2}]}
    (tmp_path / "a.json").write_text(json.dumps({"task_name": "x", "scores": scores}))
    assert leaderboard.read(tmp_path / "a.json") == {
        "x, test, default": {"main score": 100, "mAP@10": 100}
    }

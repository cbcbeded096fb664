"""A shared model answers a query as the run does that it was made from."""

import numpy as np
import pytest
import tiny_runs
from PIL import Image

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.nearest import nearest
from cmir_repro.experiments import export, shared


def exported(system, folder):
    """A run of a system, and the model that was exported from it."""
    done = tiny_runs.make(system)
    return done, shared.load(export.export(done.record.run, folder))


def test_a_picture_and_a_text_rank_the_gallery_as_the_query_of_the_run_does(tiny_css, tmp_path):
    done, found = exported("dim", tmp_path / "m")
    part, embedded = done.task.split("test"), done.experiment.embed(found.model, "test")
    ids, _ = nearest(embedded.queries[:1], embedded.gallery, 5, part.source[:1])
    source = str(part.gallery_ids[part.source[0]])
    answer = found.query(source, part.texts[0], top=5)
    assert answer == part.gallery_ids[ids[0]].tolist()
    everything = found.query(source, part.texts[0], top=10_000)
    assert sorted(everything) == sorted(set(part.gallery_ids) - {source})
    # The picture itself, as a file, is the same query, but nothing is left out then.
    Image.fromarray(tiny_css.take("3d", part.gallery[part.source[:1]])[0]).save(tmp_path / "a.png")
    by_file = found.query(str(tmp_path / "a.png"), part.texts[0], top=10_000)
    assert set(by_file) == set(part.gallery_ids)
    assert [name for name in by_file if name != source] == everything


def test_a_sentence_ranks_pictures(tiny_css, tmp_path):
    done, found = exported("aai", tmp_path / "m")
    pairs, embedded = done.task.split("test"), done.experiment.embed(found.model, "test")
    ids, _ = nearest(embedded.sentences[7:8], embedded.images, 4)
    assert found.query(pairs.texts[7], top=4) == pairs.image_ids[ids[0]].tolist()


def test_words_that_the_model_cannot_tell_apart_are_named(tiny_css, tmp_path):
    _, found = exported("aai", tmp_path / "m")
    with pytest.warns(UserWarning, match="no sentence with 'banana', 'pear'; each is an unknown"):
        found.query("a banana, a pear and a banana")


def test_tags_rank_the_pictures_of_the_database(tiny_css, tmp_path):
    done, found = exported("crcgs", tmp_path / "m")
    data, encoded = done.task.labelled, done.experiment.encode(found.model)
    row = int(data.query[0])
    tags = np.array(data.words)[data.text[row] == 1].tolist()
    ids, _ = nearest(encoded.texts["cosine"][[row]], encoded.images["cosine"][data.database], 3)
    wanted = data.ids[data.database][ids[0]].tolist()
    assert found.query(*tags, top=3) == found.query(" ".join(tags), top=3) == wanted


@pytest.mark.parametrize(
    ("system", "query", "message"),
    [
        ("dim", ("css_test_000000",), "ask with a picture, by its id or file, and what"),
        ("dim", ("no-such", "remove it"), "'no-such' is no file and no id of css, say 'css_"),
        ("dim", ("css_test_000000", " "), "the sentence ' ' has no word"),
        ("aai", ("a cube", "a ball"), "ask with a sentence"),
        ("crcgs", (), "ask with tags"),
        ("crcgs", ("red", "elephant"), "tag 'elephant' is unknown; allowed: "),
    ],
)
def test_another_kind_of_query_is_one_line(tiny_css, tmp_path, system, query, message):
    _, found = exported(system, tmp_path / "m")
    with pytest.raises(InputError, match=message) as error:
        found.query(*query)
    assert "\n" not in str(error.value)


def test_a_vocabulary_of_other_data_stays_that_of_the_model(tiny_css, tmp_path):
    _, found = exported("dim", tmp_path / "m")
    found.vocabulary = [*found.vocabulary[:1], "zebra", *found.vocabulary[2:]]
    assert found.experiment().tokens.tokens == found.vocabulary


def test_names_that_are_not_there_list_those_that_are(tiny_css):
    export.export(tiny_runs.make("dim").record.run)
    with pytest.raises(InputError, match=r"^no model 'css/tirg': .* there are .*css/tirg-mini"):
        shared.load("css/tirg")

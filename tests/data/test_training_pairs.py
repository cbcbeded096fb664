"""Which pairs each rule may draw, how often it draws them, and what it says about them."""

import json
from collections import Counter
from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data.tokenizers import Vocabulary
from cmir_repro.data.training_pairs import build

WORD = {"rule": "siblings", "column": "caption"}
SUBSTRING = {**WORD, "removal": "substring"}
ATTRIBUTES = {"rule": "attributes", "columns": ["gender", "colour", "type"]}
NOUN = {"rule": "same-noun", "noun": "noun", "adjective": "adjective"}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def table(*captions: str) -> pd.DataFrame:
    return pd.DataFrame({"caption": captions})


def random_captions(seed: int, count: int = 60) -> pd.DataFrame:
    r = np.random.default_rng(seed)
    words = ["red", "blue", "in", "pink", "dress", "a", "top"]
    return table(*(" ".join(r.choice(words, r.integers(1, 5))) for _ in range(count)))


def random_attributes(seed: int, count: int = 40) -> pd.DataFrame:
    r = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "gender": r.choice(["Women", "Men"], count),
            "colour": r.choice(["Red", "Navy Blue", "Green", "red"], count),
            "type": r.choice(["Top", "Skirt", "Shoe"], count),
        }
    )


def chances_by_word(captions: list[str]) -> dict[tuple[int, int, str], float]:
    """Chance of every (source, target, text): the definition, written out with dictionaries."""
    parents = {}  # parent -> {caption: removed word}
    for caption in set(captions):
        words = caption.split()
        for i, word in enumerate(words):
            parents.setdefault(tuple(words[:i] + words[i + 1 :]), {})[caption] = word
    return chances(captions, parents)


def chances_by_substring(captions: list[str]) -> dict[tuple[int, int, str], float]:
    parents = {}
    for caption in set(captions):
        for word in caption.split():
            parent = caption.replace(word, "").replace("  ", " ").strip()
            parents.setdefault(parent, {})[caption] = caption  # anything that tells them apart
    found = Counter()
    for (source, target, _), chance in chances(captions, parents).items():
        ours, theirs = captions[source].split(), captions[target].split()
        x = next((word for word in ours if word not in theirs), ours[-1])
        y = next((word for word in theirs if word not in ours), theirs[-1])
        found[source, target, f"replace {x} with {y}"] += chance
    return found


def chances(captions, parents) -> Counter:
    """Chances of source, parent, other child and target, each uniform over what is possible."""
    options = {}  # caption -> list of (word, [(child, its word)])
    for children in parents.values():
        for caption, word in children.items():
            others = [(c, w) for c, w in children.items() if w != word]
            if others:
                options.setdefault(caption, []).append((word, others))
    images = {c: [i for i, caption in enumerate(captions) if caption == c] for c in set(captions)}
    sources = [i for i, caption in enumerate(captions) if caption in options]
    found = Counter()
    for source in sources:
        mine = options[captions[source]]
        for word, others in mine:
            for child, other in others:
                for target in images[child]:
                    share = len(sources) * len(mine) * len(others) * len(images[child])
                    found[source, target, f"replace {word} with {other}"] += 1 / share
    return found


def by_attribute(images: pd.DataFrame) -> dict[tuple[int, int, str], float]:
    rows = [tuple(value.lower() for value in row) for row in images.itertuples(index=False)]
    options = {}
    for row in set(rows):
        for k in range(3):
            near = [
                o
                for o in set(rows)
                if o[k] != row[k] and o[:k] + o[k + 1 :] == row[:k] + row[k + 1 :]
            ]
            if near:
                options.setdefault(row, []).append((k, near))
    sources = [i for i, row in enumerate(rows) if row in options]
    found = Counter()
    for source in sources:
        row = rows[source]
        for k, near in options[row]:
            for other in near:
                targets = [i for i, candidate in enumerate(rows) if candidate == other]
                share = len(sources) * len(options[row]) * len(near) * len(targets)
                for target in targets:
                    found[source, target, f"replace {row[k]} with {other[k]}"] += 1 / share
    return found


def assert_drawn_as(expected: dict, index, count: int = 40_000) -> None:
    """Every pair that is possible and no other, each as often as it should (chi-square)."""
    drawn = index.draw(count, rng())
    seen = Counter(zip(drawn.source.tolist(), drawn.target.tolist(), drawn.texts, strict=True))
    assert sum(expected.values()) == pytest.approx(1)
    assert set(seen) <= set(expected)
    assert index.texts() == sorted({text for *_, text in expected})
    # Cells with few expected draws are put together, or the bound would not hold.
    rare = [key for key in expected if expected[key] * count < 5]
    cells = [(seen[key], expected[key] * count) for key in expected if key not in set(rare)]
    if rare:
        cells.append((sum(seen[k] for k in rare), sum(expected[k] for k in rare) * count))
    statistic = sum((got - want) ** 2 / want for got, want in cells)
    freedom = len(cells) - 1
    assert statistic < freedom + 5 * np.sqrt(2 * freedom)  # five standard deviations


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("rule", "oracle"), [(WORD, chances_by_word), (SUBSTRING, chances_by_substring)]
)
def test_siblings_are_drawn_as_the_definition_says(rule, oracle, seed):
    images = random_captions(seed)
    assert_drawn_as(oracle(images["caption"].tolist()), build(rule, images))


@pytest.mark.parametrize("seed", range(3))
def test_attributes_are_drawn_as_the_definition_says(seed):
    images = random_attributes(seed)
    assert_drawn_as(by_attribute(images), build(ATTRIBUTES, images))


def test_an_image_without_a_sibling_is_never_drawn():
    index = build(WORD, table("red dress", "old green boot", "blue dress", "red dress"))
    np.testing.assert_array_equal(index.sources, [0, 2, 3])
    drawn = index.draw(200, rng())
    assert set(drawn.source) == {0, 2, 3}
    assert set(drawn.target) == {0, 2, 3}
    assert set(drawn.texts) == {"replace red with blue", "replace blue with red"}


def test_words_need_not_stand_at_the_same_place():
    drawn = build(WORD, table("long dress red", "blue long dress")).draw(20, rng())
    assert set(drawn.texts) == {"replace red with blue", "replace blue with red"}


def test_captions_of_the_same_words_in_another_order_are_no_siblings():
    with pytest.raises(InputError, match="no training pair"):
        build(WORD, table("black lace dress", "black dress lace"))
    # The reference takes them, and has to ask for something: the last words.
    drawn = build(SUBSTRING, table("black lace dress", "black dress lace")).draw(20, rng())
    assert set(drawn.texts) == {"replace dress with lace", "replace lace with dress"}


def test_substring_removal_cuts_into_other_words():
    images = table("pink top in", "pk top red")  # "in" is also inside "pink"
    assert set(build(SUBSTRING, images).draw(20, rng()).texts) == {
        "replace pink with pk",
        "replace pk with pink",
    }
    with pytest.raises(InputError, match="no training pair"):
        build(WORD, images)


def test_a_word_said_twice_is_named_by_removal_and_missed_by_the_reference():
    images = table("blue blue dress", "blue red dress")
    assert set(build(WORD, images).draw(50, rng()).texts) == {
        "replace blue with red",
        "replace red with blue",
    }
    with pytest.raises(InputError, match="no training pair"):
        build(SUBSTRING, images)  # "blue" is removed at both places


def test_word_removal_is_the_default():
    images = random_captions(7)
    ours = build(WORD, images).draw(50, rng())
    assert ours.texts == build({**WORD, "removal": "word"}, images).draw(50, rng()).texts


def test_same_noun_draws_every_adjective_of_the_noun_equally():
    rows = [("old", "car"), ("old", "car"), ("new", "car"), ("red", "car"), ("wet", "dog")]
    images = pd.DataFrame(rows, columns=["adjective", "noun"])
    count = 60_000
    drawn = build(NOUN, images).draw(count, rng())
    source, target = drawn.source.reshape(-1, 2), drawn.target.reshape(-1, 2)
    np.testing.assert_array_equal(source[:, 0], source[:, 1])  # two pairs, one source
    adjective, noun = images["adjective"].to_numpy(), images["noun"].to_numpy()
    np.testing.assert_array_equal(noun[drawn.source], noun[drawn.target])
    assert drawn.texts == adjective[drawn.target].tolist()
    wanted = adjective[target]
    car = noun[source[:, 0]] == "car"
    assert (wanted[car, 0] != wanted[car, 1]).all()
    assert set(wanted[~car].ravel()) == {"wet"}  # a noun with one adjective
    seen = Counter(zip(drawn.source.tolist(), drawn.target.tolist(), strict=True))
    # Own adjective included: each of the three has a third, "old" has two images.
    chance = dict(zip(range(4), (1 / 6, 1 / 6, 1 / 3, 1 / 3), strict=True))
    for s, t in product(range(4), range(4)):
        assert seen[s, t] / count == pytest.approx(chance[t] / 5, rel=0.1)
    assert seen[4, 4] / count == pytest.approx(1 / 5, rel=0.05)


def test_an_odd_count_of_same_noun_pairs_ends_with_half_a_couple():
    images = pd.DataFrame({"adjective": ["old", "new"], "noun": "car"})
    drawn = build(NOUN, images).draw(5, rng())
    assert len(drawn.source) == len(drawn.target) == len(drawn.texts) == 5


@pytest.mark.parametrize("rule", [WORD, SUBSTRING])
def test_the_reference_leaves_replace_and_with_unknown(rule):
    index = build(rule, table("red dress", "blue dress", "red dress"))
    assert sorted(index.sentences()) == ["blue dress", "red dress"]


def test_attribute_and_noun_sentences_leave_no_word_unknown():
    nouns = pd.DataFrame({"adjective": ["old", "new"], "noun": ["car", "car"]})
    for index in (build(ATTRIBUTES, random_attributes(1)), build(NOUN, nouns)):
        numbers, lengths = Vocabulary.of(index.sentences()).encode(index.draw(50, rng()).texts)
        for row, length in zip(numbers, lengths, strict=True):
            assert (row[:length] > 0).all()
    assert "old car" in index.sentences()


@pytest.mark.parametrize("rule", [WORD, SUBSTRING, ATTRIBUTES, NOUN])
def test_the_same_seed_draws_the_same_pairs(rule):
    images = pd.concat([random_captions(3, 40), random_attributes(3, 40)], axis=1)
    images["noun"], images["adjective"] = images["type"], images["colour"]
    rule = json.loads(json.dumps(rule))  # as read from dataset.json
    first, again, other = (build(rule, images).draw(64, rng(seed)) for seed in (5, 5, 6))
    assert first.source.dtype == first.target.dtype == np.int64
    np.testing.assert_array_equal(first.source, again.source)
    np.testing.assert_array_equal(first.target, again.target)
    assert first.texts == again.texts
    assert first.texts != other.texts


def test_pairs_for_given_sources():
    images = random_attributes(2)
    index = build(ATTRIBUTES, images)
    source = np.repeat(index.sources, 2)
    drawn = index.draw_from(source, rng())
    np.testing.assert_array_equal(drawn.source, source)
    possible = {key[:2] for key in by_attribute(images)}
    assert set(zip(drawn.source.tolist(), drawn.target.tolist(), strict=True)) <= possible


def test_a_single_attribute_makes_all_its_values_siblings():
    index = build({**ATTRIBUTES, "columns": ["colour"]}, pd.DataFrame({"colour": list("abc")}))
    assert set(index.draw(200, rng()).texts) == {
        f"replace {x} with {y}" for x, y in permutations("abc", 2)
    }


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "rule None is unknown; allowed: siblings, attributes, same-noun"),
        ({"rule": "cousins"}, "'cousins' is unknown"),
        ({"rule": "siblings"}, "siblings lacks column"),
        ({**WORD, "colour": 1}, "'colour' is unknown; allowed: column, removal"),
        ({**WORD, "removal": "letter"}, "removal 'letter' is unknown; allowed: word, substring"),
        ({**WORD, "column": "text"}, "column 'text', the images table lacks it"),
        ({**WORD, "column": ["caption"]}, "the images table lacks it"),
        ({**ATTRIBUTES, "columns": "caption"}, "expected a list of names"),
        ({**ATTRIBUTES, "columns": []}, "expected a list of names"),
        (ATTRIBUTES, "column 'gender', the images table lacks it"),
        ({**NOUN, "noun": "caption"}, "column 'adjective', the images table lacks it"),
    ],
)
def test_an_impossible_rule_is_refused(rule, message):
    with pytest.raises(InputError, match=message) as caught:
        build(rule, table("red dress", "blue dress"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["", " ", None, np.nan, 3])
def test_a_caption_that_says_nothing_is_named(value):
    with pytest.raises(InputError, match="column caption, row 1"):
        build(WORD, pd.DataFrame({"caption": pd.Series(["red dress", value], dtype=object)}))


def test_images_without_siblings_are_refused():
    for captions in (
        [],
        ["red dress"],
        ["red dress", "red dress"],
        ["red dress", "old green boot"],
    ):
        with pytest.raises(InputError, match=f"none of the {len(captions)} images"):
            build(WORD, pd.DataFrame({"caption": pd.Series(captions, dtype=object)}))
    with pytest.raises(InputError, match="no image"):
        build(NOUN, pd.DataFrame({"adjective": [], "noun": []}))

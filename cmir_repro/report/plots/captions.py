"""What the figures of the notebooks show: a sentence each, and what each is made from."""

from collections.abc import Callable
from typing import NamedTuple

from cmir_repro.experiments.presets import aai, crcgs, dim


class Described(NamedTuple):
    """A family of figures, one a setting.

    caption: one sentence that says what to see, whatever the numbers are.
    notebook: that draws it, a file of notebooks/.
    system, methods: of the records that it is drawn from; none where it needs none.
    one_seed: whether it is of a single seed, by default 0, and not over all.
    """

    caption: str
    notebook: str
    system: str = ""
    methods: Callable[[str], bool] = lambda method: False
    one_seed: bool = False


_HELPS = "04_does_dim_help.ipynb"
_GAP = "05_modality_gap.ipynb"
_BEST = "TIRG" + dim.WITH_DIM
# The beginning of a figure's name -> what it is; data set, scale and task follow in the name.
FIGURES = {
    "edits": Described(
        "A query is a source picture and a sentence that says what should be different; right is "
        "every picture that looks like the target.",
        "01_data_prep.ipynb",
    ),
    "baselines": Described(
        "How far each input leads alone, and both together: compare each row with the line of "
        "chance.",
        "02_baselines.ipynb", "dim", ("Image only", "Text only", "Concatenation").__contains__,
        True,
    ),
    "recall": Described(
        "Each row is a fusion network without DIM (circles) and with it (triangles): where the "
        "intervals overlap, only the gain, taken query by query, says whether DIM helps.",
        _HELPS, "dim", dim.METHODS.__contains__,
    ),
    "dim-gains": Described(
        "What DIM adds to each fusion network: a bar that crosses the dotted line is no "
        "detectable difference.",
        _HELPS, "dim", lambda m: m.removesuffix(dim.WITH_DIM) in dim.FUSIONS,
    ),
    "ablation": Described(
        "One part of DIM changed at a time, against TIRG without DIM: only a bar that clears the "
        "dotted line is a difference.",
        _HELPS, "dim", lambda m: m in ("TIRG", _BEST, *dim.ABLATED),
    ),
    "reach": Described(
        "Validation recall in the course of training, by the width of the net and the steps: look "
        "where a line ends; on the way a longer training is behind, as its learning rate falls "
        "later.",
        _HELPS, "dim", dim.REACH.__contains__,
    ),
    "successes": Described(
        "Queries whose right picture came first: a tick marks a right answer; look at how little "
        "the wrong ones beside it differ.",
        _HELPS, "dim", lambda m: m == _BEST, True,
    ),
    "failures": Described(
        "Queries whose right picture is not among the first five: compare the answers with "
        "the target to see which part of the edit was missed.",
        _HELPS, "dim", lambda m: m == _BEST, True,
    ),
    "gap": Described(
        "Vectors of texts, target images and fused queries in the plane: without training the "
        "three lie apart, after it queries lie among their targets and texts stay away.",
        _GAP, "dim", lambda m: m in ("TIRG", _BEST), True,
    ),
    "gap-statistics": Described(
        "Measures of the modality gap: training brings queries closer to their targets than "
        "texts to images; compare the rows with and without DIM.",
        _GAP, "dim", lambda m: m in ("TIRG", _BEST), True,
    ),
    "aai-attention": Described(
        "Where each word looks in the picture, against looking everywhere alike: a row whose maps "
        "are the same says that the model attends to places and not to words.",
        "09_train_aai.ipynb", "aai", lambda m: m == aai.FULL, True,
    ),
    "aai-sentence-query": Described(
        "A sentence is the query: the first two rows found their picture first, the last two did "
        "not find it among five.",
        "09_train_aai.ipynb", "aai", lambda m: m == aai.FULL, True,
    ),
    "aai-picture-query": Described(
        "A picture is the query: sentences with a tick describe it, those with a cross describe "
        "another scene.",
        "09_train_aai.ipynb", "aai", lambda m: m == aai.FULL, True,
    ),
    "aai-parts": Described(
        "Parts of AAI added or taken away: a bar that crosses the dotted line is no detectable "
        "difference from AAI.",
        "10_aai_results.ipynb", "aai", aai.METHODS.__contains__,
    ),
    "aai-gap": Described(
        "The gap between images and sentences: compare AAI and plain contrast with the untrained "
        "net.",
        "10_aai_results.ipynb", "aai", lambda m: m in (aai.FULL, aai.REFERENCE), True,
    ),
    "crcgs-parts": Described(
        "Parts of CRCGS added or taken away: only a bar that lies right of the dotted line is a "
        "gain over the base.",
        "12_crcgs_results.ipynb", "crcgs", crcgs.METHODS.__contains__,
    ),
    "crcgs-bits": Described(
        "What longer codes bring to each method: those whose intervals overlap at a length are "
        "not ordered by it.",
        "12_crcgs_results.ipynb", "crcgs", lambda m: True,
    ),
    "crcgs-precision-recall": Described(
        "Precision falls to the share of relevant items as more is recalled: the upper line ranks "
        "better at that recall.",
        "12_crcgs_results.ipynb", "crcgs", lambda m: True,
    ),
    "crcgs-gap": Described(
        "The gap between images and texts: compare the rows of the base and of CRCGS with the "
        "untrained one.",
        "12_crcgs_results.ipynb", "crcgs", lambda m: m in (crcgs.FULL, crcgs.REFERENCE), True,
    ),
    "crcgs-text-query": Described(
        "Tags are the query: below each picture stand the categories that it shares with the "
        "query, a cross where it shares none.",
        "11_train_crcgs.ipynb", "crcgs", lambda m: m == crcgs.FULL, True,
    ),
    "released-contrast-forces": Described(
        "In the released form the push outweighs the pull by orders of magnitude as cosines grow; "
        "in InfoNCE the two are equal.",
        "13_what_the_released_code_computes.ipynb",
    ),
    "released-depth": Described(
        "The same codes score several points higher where fewer places are looked at: a MAP says "
        "nothing without its depth.",
        "13_what_the_released_code_computes.ipynb", "crcgs", lambda m: m == "Released", True,
    ),
    "released-ties": Described(
        "The same codes score differently by the order of the rows among which they tie; the tall "
        "line is the expected value, which no order can move.",
        "13_what_the_released_code_computes.ipynb", "crcgs", lambda m: m == "Released", True,
    ),
    "pitfalls": Described(
        "R@1 of the same made-up images under several rules: where the two marks lie apart, the "
        "rule decides and not the model.",
        "08_pitfalls.ipynb",
    ),
    "last-batch": Described(
        "A loop that forgets its last batch is right for the batch size that its author used, and "
        "wrong for others.",
        "18_more_pitfalls.ipynb",
    ),
    "scorecard": Described(
        "What the claims of a paper rest on: a claim is confirmed only where the whole bar lies "
        "right of the dotted line.",
        "14_scorecard.ipynb",
    ),
    "composition": Described(
        "Recall where one input suffices and where both are needed: a method composes only as "
        "well as its lowest row says.",
        "15_does_your_benchmark_need_composition.ipynb", "dim",
        lambda m: m in ("Image only", "Text only", "TIRG", _BEST),
    ),
    "fashioniq-protocols": Described(
        "One set of vectors under every rule of FashionIQ: whatever moves is the rule.",
        "07_same_features_every_protocol.ipynb",
    ),
    "css-x-confused": Described(
        "What is ranked above the first right answer: a kind of negative with a long row is what "
        "a model takes for right.",
        "16_css_x.ipynb",
    ),
    "large-galleries": Described(
        "An index against exact search: codes alone are fast and small and lose answers, and "
        "exact scores of a few candidates bring them back.",
        "17_large_galleries.ipynb",
    ),
}  # fmt: skip


def described(name: str) -> Described | None:
    """What a figure is, by its name; None of one that is not of this package."""
    fitting = [start for start in FIGURES if name == start or name.startswith(f"{start}-")]
    return FIGURES[max(fitting, key=len)] if fitting else None


def setting(name: str) -> str:
    """What of a figure's name is its setting: "css-mini-3d-3d"; empty where there is none."""
    fitting = [start for start in FIGURES if name.startswith(f"{start}-")]
    return name.removeprefix(f"{max(fitting, key=len)}-") if fitting else ""

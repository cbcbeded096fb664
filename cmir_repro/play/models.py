"""The models that are asked: those that came along, or runs of the reader's on other data."""

from collections.abc import Sequence

from cmir_repro.experiments import shared
from cmir_repro.experiments.presets import dim
from cmir_repro.experiments.run import run
from cmir_repro.play.answers import Composed

# Method -> model that came along; what is searched is the gallery of scale mini.
SHIPPED = {
    "Image only": "css/image-only-full",
    "Text only": "css/text-only-full",
    "TIRG": "css/tirg-full",
    "TIRG + DIM": "css/tirg-dim-full",
}
# The first question: few objects, and neither input alone suffices.
SOURCE, TEXT = "css_test_000038", "make green circle purple"
SENTENCES, TAGS = "css/aai-mini", "css/crcgs-mini"
SCALE = "mini"


def composed(dataset: str, methods: Sequence[str] = tuple(SHIPPED)) -> list[Composed]:
    """Models of composed retrieval on a data set, ready to answer.

    Those of CSS came along. On other data they are trained at scale mini, a minute each at most,
    or found in the ledger.

    Raises:
        InputError: the data are not here, or models did not come along.
    """
    if dataset != "css":
        runs = [run(dim.configure(dataset, "auto", SCALE, method)) for method in methods]
        return [Composed(done.record.method, done.system, done.experiment) for done in runs]
    found = []
    for method in methods:
        model = shared.load(SHIPPED[method])
        experiment = model.experiment(SCALE)
        if found:  # pictures are read once
            experiment.task = found[0].experiment.task
        found.append(Composed(method, model.model, experiment))
    return found

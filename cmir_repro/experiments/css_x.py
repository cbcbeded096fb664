"""CSS-X asked of a model: a finished run of composed retrieval, or anybody's feature files."""

from pathlib import Path

import pandas as pd

from cmir_repro.core.errors import InputError, naming
from cmir_repro.core.protocol import Protocol, preset
from cmir_repro.data import registry
from cmir_repro.data.css import diagnostic
from cmir_repro.data.prepared import Prepared
from cmir_repro.evaluation.diagnosis import Diagnosis, diagnose
from cmir_repro.evaluation.features import align, load_features
from cmir_repro.experiments.experiment import Run

NAME = "css-x"


def of_run(run: Run, seed: int = 0) -> Diagnosis:
    """What a run confuses; its weights are those of its record.

    Args:
        run: of composed retrieval on CSS, as `cmir.run` gives it.
        seed: of the bootstrap.

    Raises:
        InputError: css-x is not prepared, or the run is of another system or kind of pictures.
    """
    from cmir_repro.experiments.dim_embedding import embed
    from cmir_repro.experiments.dim_task import Task

    config = run.experiment.config
    if config.system != "dim" or config.dataset != "css":
        raise InputError(
            f"css-x is for composed retrieval trained on css, not {config.system} on "
            f"{config.dataset}"
        )
    data = registry.open(NAME)
    task = Task(data, config.task, run.task.device, config.model)
    found = embed(run.system, task, run.experiment.tokens, "test")
    return _diagnosed(data, found.queries, found.gallery, preset(NAME), seed)


def of_files(queries: Path, gallery: Path, protocol: Protocol, seed: int = 0) -> Diagnosis:
    """What a model confuses of which only the features are known.

    Args:
        queries, gallery: feature files with the ids of `cmir prepare css-x`.

    Raises:
        InputError: css-x is not prepared, or a file lacks an id or is no feature file.
    """
    data = registry.open(NAME)
    test = data.retrieval("test")
    wanted = (queries, test.query_ids), (gallery, test.gallery_ids)
    arrays = [align(load_features(Path(file)), ids) for file, ids in wanted]
    with naming(f"{queries} and {gallery}"):
        return _diagnosed(data, *arrays, protocol, seed)


def _diagnosed(data: Prepared, queries, gallery, protocol: Protocol, seed: int) -> Diagnosis:
    test = data.retrieval("test")
    table = data.queries.set_index("query").loc[test.query_ids]
    candidates = pd.read_parquet(data.folder / "candidates.parquet")
    roles = diagnostic.roles(table, test.gallery_ids.tolist(), candidates)
    return diagnose(
        queries, gallery, roles.kind, roles.same_source, roles.group, roles.form,
        diagnostic.KINDS, protocol, seed,
    )  # fmt: skip


def as_dict(found: Diagnosis) -> dict:
    """A diagnosis as JSON takes it."""
    tables = {name: table.to_dict("records") for name, table in found._asdict().items()
              if isinstance(table, pd.DataFrame)}  # fmt: skip
    return tables | {"wording": found.wording}


def text(found: Diagnosis) -> str:
    """A diagnosis as aligned text."""
    parts = [
        table.round(1).to_string(index=False)
        for table in (found.recall, found.confused, found.forms)
    ]
    w = found.wording
    parts.append(
        f"the wording decides in {w['value']:.1f} % [{w['low']:.1f}, {w['high']:.1f}] of "
        f"{w['groups']} groups with paraphrases"
    )
    return "\n\n".join(parts)

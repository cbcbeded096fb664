"""The ranked lists of a run of the ledger."""

from pathlib import Path

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.evaluation import ranked_lists
from cmir_repro.evaluation.judged import top
from cmir_repro.experiments import ledger
from cmir_repro.experiments.run import run as run_again
from cmir_repro.experiments.systems import SYSTEMS


def write(run: str, file: Path, depth: int = 100, device: str = "cpu") -> list[Path]:
    """Write the first `depth` items of each test query, and what is right as FILE.qrels.

    Args:
        run: name of a finished run whose checkpoint is here.
        file: `.parquet`, or `.trec`, `.run` or `.txt` for a TREC run. A system with two directions
            writes one file each: NAME-i2t, NAME-t2i.

    Raises:
        InputError: the run is not in the ledger, or has no checkpoint here; a name does not fit.
    """
    record, file = ledger.read(run), Path(file)
    ranked_lists.check_name(file)  # before the work, not after it
    if depth < 1:
        raise InputError(f"depth must be at least 1, got {depth}")
    if record.kind == "features" or not (paths.runs() / run).is_dir():
        raise InputError(f"no checkpoint of {run} is here to rank with; type: {record.command}")
    config = SYSTEMS[record.system].config.make(**record.config)
    found = run_again(config, device=device, progress=False, command=record.command)
    written = []
    for direction, (judged, scores) in found.experiment.rankings(found.features).items():
        path = file.with_stem(f"{file.stem}-{direction}") if direction else file
        lists = top(judged, scores, found.experiment.protocol, depth)
        ranked_lists.write(path, lists, tag=run)
        answers = Path(f"{path}.qrels")
        pairs = zip(judged.ids.tolist(), judged.relevant, strict=True)
        ranked_lists.write_judgements(answers, dict(pairs))
        written += [path, answers]
    return written

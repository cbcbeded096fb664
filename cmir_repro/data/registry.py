"""How to get the data sets that a script prepares: asked before anything is opened or trained."""

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError

# Sentences and categories; those of composed retrieval are in `tasks`.
SCRIPTS = {
    "flickr30k": "captions.py, see data_scripts/captions.md",
    "flickr8k": "captions.py, see data_scripts/captions.md",
    "coco": "captions.py, see data_scripts/captions.md",
    "mirflickr": "mirflickr.py, see data_scripts/labelled.md",
    "nuswide-tc21": "nuswide.py, see data_scripts/labelled.md",
    "nuswide-tc10": "nuswide.py, see data_scripts/labelled.md",
    "wikipedia": "wikipedia.py, see data_scripts/labelled_files.md",
}


def check_prepared(name: str) -> None:
    """Refuse a data set of SCRIPTS that is not here, and say which script makes it.

    Raises:
        InputError: as above; names that no script here is for are `tasks.open_data`'s to judge.
    """
    if name in SCRIPTS and not (paths.data() / name / "dataset.json").exists():
        raise InputError(
            f"the data set {name!r} is not prepared yet; run: python data_scripts/{SCRIPTS[name]}"
        )

"""Names that a reader knows for the codes of data sets, tasks and systems."""

import re

DATASETS = {
    "css": "CSS",
    "css-x": "CSS-X",
    "css-released": "CSS, released",
    "fashion200k": "Fashion200k",
    "mitstates": "MIT-States",
    "fashioniq": "FashionIQ",
    "cirr": "CIRR",
    "flickr30k": "Flickr30K",
    "coco": "MS-COCO",
    "coco-pictures": "MS-COCO pictures",
    "mirflickr": "MIRFLICKR-25K",
    "nuswide-tc21": "NUS-WIDE, 21 categories",
    "nuswide-tc10": "NUS-WIDE, 10 categories",
    "wikipedia": "Wikipedia",
    "photos": "Product photographs",
    "photo-names": "Product photographs, names",
    "photos-tags": "Product photographs, tags",
}
TASKS = {
    "2d-2d": "2D to 2D",
    "2d-3d": "2D to 3D",
    "3d-3d": "3D to 3D",
    "2d": "2D",
    "3d": "3D",
    "2d-colour-shape": "2D, colours and shapes",
    "3d-colour-shape": "3D, colours and shapes",
    "2d-colour-position": "2D, colours and positions",
    "3d-colour-position": "3D, colours and positions",
    "photo": "photographs",
    "labels": "categories",
}
SYSTEMS = {"dim": "DIM", "aai": "AAI", "crcgs": "CRCGS"}
# What is asked and what answers.
QUESTIONS = {
    "dim": "image + text to image",
    "aai": "image and sentence",
    "crcgs": "image and tags",
}
_CODES = DATASETS | TASKS


def spelt(text: str) -> str:
    """A text whose parts between commas or semicolons are names and codes, the codes spelt out.

    "Recall on test, 3d-3d, mini" becomes "Recall on test, 3D to 3D, mini".
    """
    return "".join(_CODES.get(part, part) for part in re.split("([,;] )", text))


def setting(dataset: str, scale: str, task: str) -> str:
    """A setting's name, as "CSS, 3D to 3D, mini"."""
    return spelt(f"{dataset}, {task}, {scale}")

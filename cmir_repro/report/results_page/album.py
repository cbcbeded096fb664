"""Pictures at thumbnail size, each kept once."""

import base64
import io

import numpy as np
from PIL import Image

from cmir_repro.core.errors import InputError
from cmir_repro.data import registry
from cmir_repro.data.prepared import Prepared
from cmir_repro.report import words

SIZE = 84, 60  # pixels, at most
MOST_SIGNS = 2_100_000  # of all pictures, encoded
NONE = -1  # no picture


class Album:
    """The pictures that a page shows, by the data set they are of.

    Attributes:
        pictures: WebP in base64, one a picture, in the order they were asked for.
        lost: a sentence for each data set whose pictures are not here.
        left_out: how many did not fit into MOST_SIGNS.
    """

    def __init__(self) -> None:
        self.pictures: list[str] = []
        self.lost: list[str] = []
        self.left_out = 0
        self._place: dict[tuple[str, str, str], int] = {}
        self._opened: dict[tuple[str, str], Prepared | None] = {}
        self._rows: dict[tuple[str, str], dict[str, int]] = {}
        self._signs = 0

    def data(self, dataset: str, scale: str, tables: str) -> Prepared | None:
        """A data set as records name it; None, and a sentence in `lost`, where it is not here.

        The generated world of scale mini is drawn where it is missing, which takes seconds.

        Args:
            tables: digest of its tables, of the records; of `dataset.json` machines have others.
        """
        if (dataset, scale) not in self._opened:
            self._opened[dataset, scale] = self._open(dataset, scale, tables)
        return self._opened[dataset, scale]

    def add(self, data: Prepared, scale: str, view: str, image: str) -> int:
        """Place of a picture among `pictures`; NONE where there is none, or no room."""
        key = f"{data.info['name']}/{scale}", view, image
        if key not in self._place:
            self._place[key] = self._encoded(data, scale, view, image)
        return self._place[key]

    def _open(self, dataset: str, scale: str, tables: str) -> Prepared | None:
        name = words.spelt(f"{dataset}, {scale}")
        try:
            drawn = dataset == registry.CSS and scale == "mini"
            if not drawn and not (registry.folder(dataset, scale) / "dataset.json").is_file():
                raise InputError(f"type: {registry.how(dataset)}")
            data = registry.open(dataset, scale, progress=False)
        except InputError as error:
            self.lost.append(f"Pictures and texts of {name} are left out: {error}.")
            return None
        if data.info.get("tables_sha256") != tables:
            self.lost.append(
                f"Pictures and texts of {name} are left out: the data here are not those of the "
                "records."
            )
            return None
        ids = data.images["image"].to_numpy(dtype=str).tolist()
        self._rows[data.info["name"], scale] = {name: row for row, name in enumerate(ids)}
        return data

    def _encoded(self, data: Prepared, scale: str, view: str, image: str) -> int:
        row = self._rows[data.info["name"], scale].get(image)
        if row is None or view not in data.views:
            return NONE
        encoded = webp(Image.fromarray(data.take(view, np.array([row]))[0]), SIZE, quality=60)
        if self._signs + len(encoded) > MOST_SIGNS:
            self.left_out += 1
            return NONE
        self._signs += len(encoded)
        self.pictures.append(encoded)
        return len(self.pictures) - 1


def webp(picture: Image.Image, most: tuple[int, int], quality: int) -> str:
    """A picture as WebP in base64; it is made to fit into so many pixels, in place."""
    picture.thumbnail(most)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=quality, method=4)
    return base64.b64encode(buffer.getvalue()).decode()

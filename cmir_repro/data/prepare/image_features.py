"""Features in the place of pictures: found for the images of a release, and kept with it.

They are written as they are, row for row of the image table: `ready-image-PART.npy`. A data set
made so trains, is scored and is composed without training; it has no pixels to show.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import atomic
from cmir_repro.data.feature_store import open_store
from cmir_repro.data.labelled import IMAGE, array_file

CHUNK = 4096  # rows that are copied together
ENDING = r"\.[A-Za-z]{3,4}$"  # of a file's name


class ImageFeatures:
    """A file or folder of features, as `data.feature_store` describes them, for a script.

    Raises:
        InputError: as `FeatureStore`.
    """

    def __init__(self, path: Path) -> None:
        self.store = open_store(path)

    def told(self) -> dict[str, str]:
        """What provenance says of them."""
        row = self.store.take(np.arange(1))
        return {"features": f"{row.shape[1:]} {row.dtype}", "features_sha256": self.store.digest}

    def present(
        self,
        names: Sequence[pd.Series],
        costs: Callable[[np.ndarray], Sequence[str]],
        allow_missing: bool,
    ) -> np.ndarray:
        """The row of each of N images in the file, (N,) int64, -1 where it has none.

        Args:
            names: (N,) str each, what the file may call the images, the best known first; the last
                are paths, of which the ending or the folders may be left out. A name that several
                pictures have finds none of them.
            costs: from (N,) bool, in words what the missing ones cost.
            allow_missing: images without features are left out, if any has some.

        Raises:
            InputError: an image has no features that must not lack them.
        """
        path = names[-1]
        bare = path.str.replace(ENDING, "", regex=True)
        rows = np.full(len(path), -1)
        for name in (*names, bare, bare.str.rpartition("/")[2]):
            pictures = pd.DataFrame({"name": name, "path": path}).drop_duplicates()
            several = pictures["name"][pictures["name"].duplicated()]
            found = np.where(name.isin(several), -1, self.store.find(name))
            rows = np.where(rows < 0, found, rows)
        here = rows >= 0
        if here.all():
            return rows
        lost = f"{self.store.path} has no features of {(~here).sum():,} of {len(here):,} images"
        first = f"first {path.iloc[here.argmin()]!r:.80}"
        if not (allow_missing and here.any()):
            way = ", or leave these images out with --allow-missing" if here.any() else ""
            raise InputError(
                f"{lost}, {first} (its ids are like {self.store.ids[0]!r:.60}): "
                f"{'; '.join(costs(here))}. Compute them under the ids of the release{way}"
            )
        print(f"left out: {lost}, {first}: {'; '.join(costs(here))}")
        return rows

    def draw(self, target: Path, images: pd.DataFrame, rows: np.ndarray) -> None:
        """Write the array of each part; rows: (N,) int64 of the file, one a row of `images`."""
        for part, here in images.groupby("part").indices.items():
            place = images["row"].to_numpy()[here]
            order = np.empty(place.max() + 1, np.int64)
            order[place] = rows[here]
            kind = self.store.take(order[:1])
            with atomic(array_file(target, IMAGE, part)) as temporary:
                shape = (len(order), *kind.shape[1:])
                out = np.lib.format.open_memmap(temporary, "w+", kind.dtype, shape)
                for start in range(0, len(order), CHUNK):
                    out[start : start + CHUNK] = self.store.take(order[start : start + CHUNK])
                out.flush()

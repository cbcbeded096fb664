"""MIT-States (Isola et al. 2015) into the prepared layout, with the queries of TIRG."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import incomplete
from cmir_repro.data import prepared
from cmir_repro.data.feature_store import FeatureStore
from cmir_repro.data.prepare import checks, writer
from cmir_repro.data.prepare.archive import unpacked
from cmir_repro.data.prepare.formats import SUFFIXES
from cmir_repro.data.prepare.image_features import ImageFeatures
from cmir_repro.data.prepare.missing import whole
from cmir_repro.data.prepare.on_disk import below, is_sidecar, on_disk
from cmir_repro.data.prepare.pictures import VIEW, draw_pictures
from cmir_repro.data.prepare.writer import Content
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.words import plain
from data_scripts import options

NAME, PROTOCOL = "mitstates", "tirg/mitstates"
PARTS = ("train", "test")
SEED = 0
VAL_FRACTION = 0.1  # of the train nouns; our choice, the original selects on test
VAL_QUERIES = 5000  # at most, our choice
SOURCES = [
    "http://web.mit.edu/phillipi/Public/states_and_transformations/index.html",
    "http://wednesday.csail.mit.edu/joseph_result/state_and_transformation/release_dataset.zip",
]
TEST_NOUNS = (  # google/tirg
    "armor", "bracelet", "bush", "camera", "candy", "castle", "ceramic", "cheese", "clock",
    "clothes", "coffee", "fan", "fig", "fish", "foam", "forest", "fruit", "furniture", "garden",
    "gate", "glass", "horse", "island", "laptop", "lead", "lightning", "mirror", "orange", "paint",
    "persimmon", "plastic", "plate", "potato", "road", "rubber", "sand", "shell", "sky", "smoke",
    "steel", "stream", "table", "tea", "tomato", "vacuum", "wax", "wheel", "window", "wool",
)  # fmt: skip
SECONDARY = "secondary: survey README"
MEMORY = "remembered, no source"
# What others say of the release, and how well it is known; only the test nouns are checked.
SAID = {
    "images": ("about 53,000", SECONDARY),
    "nouns": ("245", f"{SECONDARY}; an abstract says 225"),
    "adjectives": ("115", SECONDARY),
    "adjectives of a noun, mean": ("about 9", SECONDARY),
    "test nouns": ("49", "google/tirg"),
    "train images": ("43,207", MEMORY),
    "test images": ("10,546", MEMORY),
    "test queries": ("82,732", MEMORY),
}


def _content(
    listed: pd.DataFrame,
    protocol: str,
    left_out: list[str],
    draw: Callable[[Path, pd.DataFrame], dict[str, int] | None],
) -> Content:
    images = _images(listed)
    val = all_queries(images, "val")
    capped = val.iloc[_draw_rows(len(val), VAL_QUERIES)]
    queries = pd.concat([capped, all_queries(images, "test")], ignore_index=True)
    info = {
        "sources": SOURCES,
        "licence": "not stated by the source",
        "protocol": protocol,
        "tasks": {VIEW: [VIEW, VIEW]},
        "training_pairs": {"rule": "same-noun", "noun": "noun", "adjective": "adjective"},
        "text": "one attribute",
        "recall_also": ["adjective", "noun"],
        "left_out": [
            *left_out,
            f"validation queries over the cap of {VAL_QUERIES}: {len(val) - len(capped)}",
        ],
        "audit": audit(images, queries),
    }
    return Content(
        images,
        queries,
        info,
        draw=lambda target: draw(target, images),
    )


def read_folders(root: Path) -> tuple[pd.DataFrame, list[str]]:
    """The pictures of the folders "adjective noun", in the order of their names.

    Returns:
        Columns image ("adjective noun/file.jpg"), adjective, noun, bytes, split (train or test,
        by the noun); and what was not taken, counted.

    Raises:
        InputError: there are no pictures, a folder has a name of three words or more, a name is
            not UTF-8, or a link leads out of the root.
    """
    base = os.path.realpath(root)
    rows, single, without, others = [], [], [], []
    for folder in _entries(root / "images", base):
        words = plain(folder.name).split(" ")
        if is_sidecar(folder.name) or not folder.is_dir():
            others.append(folder.name)
        elif len(words) == 1:
            single.append(folder.name)
        elif words[0] == "adj":
            without.append(folder.name)
        elif len(words) != 2 or not all(words):
            raise InputError(
                f"{folder}: expected two words with a space between, adjective and noun"
            )
        else:
            for file in _entries(folder, base):
                picture = file.is_file() and file.suffix.lower() in SUFFIXES
                if is_sidecar(file.name) or not picture:
                    others.append(f"{folder.name}/{file.name}")
                    continue
                rows.append((plain(f"{folder.name}/{file.name}"), *words, file.stat().st_size))
    if not rows:
        raise InputError(f"{root / 'images'} has no folder 'adjective noun' with pictures in it")
    return _listed(rows), [
        _counted("folders without a space, not read", single),
        _counted("folders of the adjective 'adj' (no adjective), not read", without),
        _counted("files that are no picture, not read", others),
    ]


def read_ids(store: FeatureStore) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """The images that features are named after, "adjective noun/file", in the order of their names.

    Folders before these two names, and the file's ending, may be there or not.

    Returns:
        As `read_folders`, and the row of each image in the store, (N,) int64.

    Raises:
        InputError: no id is of that form, or two name the same picture.
    """
    found, others = {}, []
    for row, name in enumerate(store.ids):
        *_, folder, file = ["", *plain(name).split("/")]
        words = folder.split(" ")
        if len(words) == 2 and all(words) and words[0] != "adj":
            found[f"{folder}/{file}"] = row
        else:
            others.append(name)
    if len(found) + len(others) < len(store):
        raise InputError(
            f"{store.path}: several ids end in the same 'adjective noun/file'; keep one of each"
        )
    if not found:
        raise InputError(
            f"{store.path}: no id is 'adjective noun/file', as the release calls its pictures "
            f"(they are like {store.ids[0]!r:.60}); give the features these ids"
        )
    listed = _listed([(image, *image.partition("/")[0].split(" "), 0) for image in sorted(found)])
    rows = np.array([found[image] for image in listed["image"]])
    return listed, rows, [_counted("ids that are not 'adjective noun/file', not read", others)]


def _listed(rows: list[tuple]) -> pd.DataFrame:
    """Rows (image, adjective, noun, bytes) as a table, train first, as in the pixel files."""
    table = pd.DataFrame(rows, columns=["image", "adjective", "noun", "bytes"])
    table["split"] = np.where(table["noun"].isin(TEST_NOUNS), "test", "train")
    return table.sort_values("split", ascending=False, kind="stable").reset_index(drop=True)


def _costs(listed: pd.DataFrame, here: np.ndarray) -> list[str]:
    """Per part, in words, how many pictures are damaged and how many queries start from them."""
    adjectives = listed.groupby("noun")["adjective"].nunique() - 1
    queries = listed["noun"].map(adjectives)
    out = []
    for part in PARTS:
        rows = (listed["split"] == part).to_numpy()
        if (rows & ~here).any():
            lost, of = int(queries[rows & ~here].sum()), int(queries[rows].sum())
            asked = f", from which {lost:,} of its {of:,} queries start" if part == "test" else ""
            out.append(f"{(rows & ~here).sum():,} of the {rows.sum():,} images of {part}{asked}")
    return out


def all_queries(images: pd.DataFrame, split: str) -> pd.DataFrame:
    """Every image of a split with every other adjective of its noun; the text is the adjective.

    The target is the first image, by name, of the wanted caption; every image of that caption is
    relevant. Adjectives are in alphabetical order (the reference has them in the folders' order).
    """
    images = images[images["split"] == split]
    first = images.groupby(["noun", "adjective"])["image"].min()  # by noun, then adjective
    wanted = first.rename("target").reset_index().rename(columns={"adjective": "text"})
    table = images[["image", "adjective", "noun"]].merge(wanted, on="noun")
    table = table[table["adjective"] != table["text"]].reset_index(drop=True)
    return pd.DataFrame(
        {
            "query": [f"mitstates_{split}_{number:06d}" for number in range(len(table))],
            "split": split,
            "source": table["image"],
            "target": table["target"],
            "text": table["text"],
        }
    )


def audit(images: pd.DataFrame, queries: pd.DataFrame) -> list[dict]:
    """What is there, what is said of the release, and how well that is known."""
    test = images[images["part"] == "test"]
    train = images[images["part"] == "train"]
    adjectives = images.groupby("noun")["adjective"].nunique()
    splits = {split: images[images["split"] == split] for split in prepared.SPLITS}
    found = {
        "images": len(images),
        "nouns": len(adjectives),
        "adjectives": images["adjective"].nunique(),
        "captions": images["label"].nunique(),
        "adjectives of a noun, mean": round(float(adjectives.mean()), 2),
        "nouns with one adjective": int((adjectives == 1).sum()),
        "train nouns": train["noun"].nunique(),
        "test nouns": test["noun"].nunique(),
        "train images": len(train),
        "test images": len(test),
        "test queries": int((queries["split"] == "test").sum()),
        "adjectives in test but not in train": len(
            set(test["adjective"]) - set(train["adjective"])
        ),
        "validation nouns": splits["val"]["noun"].nunique(),
        "validation images": len(splits["val"]),
        "validation queries": int((queries["split"] == "val").sum()),
        "train images after validation was held out": len(splits["train"]),
        "nouns in train and validation": len(
            set(splits["train"]["noun"]) & set(splits["val"]["noun"])
        ),
    }
    rows = []
    for fact, number in found.items():
        said, known = SAID.get(fact, ("unknown", ""))
        rows.append({"fact": fact, "found": number, "said": said, "known": known})
    return rows


def _entries(folder: Path, base: str) -> list[Path]:
    """What a folder holds, by name; hidden files are left to the file system."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror})") from error
    entries = []
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{folder}: the name {name!r} is not UTF-8; rename it") from error
        path = folder / name
        if path.is_symlink() and not os.path.realpath(path).startswith(base + os.sep):
            raise InputError(f"{path} leads out of {base}; put the files themselves there")
        entries.append(path)
    return entries


def _counted(what: str, names: list[str]) -> str:
    return f"{what}: {len(names)}" + (f", first {names[0]!r}" if names else "")


def _check_nouns(where: Path, listed: pd.DataFrame, partial: bool) -> list[str]:
    """What shows that the images are not all there; only `partial` lets it pass."""
    adjectives = listed.groupby("noun")["adjective"].nunique()
    absent = [noun for noun in TEST_NOUNS if noun not in adjectives]
    single = sorted(adjectives.index[adjectives == 1])
    found = []
    if absent:
        found.append(_counted(f"test nouns of {len(TEST_NOUNS)} that are not there", absent))
    if single:
        found.append(_counted("nouns with one adjective, which no query can change", single))
    if found and not partial:
        raise InputError(
            f"{where} is not the released set: {'; '.join(found)}; get the files again, "
            "or give --partial if some is all you have"
        )
    varied = adjectives.index[adjectives > 1]
    if varied.isin(TEST_NOUNS).sum() < 1 or (~varied.isin(TEST_NOUNS)).sum() < 2:
        raise InputError(f"{where} needs a test noun and two train nouns with two adjectives each")
    return found


def _images(listed: pd.DataFrame) -> pd.DataFrame:
    """The image table, whole nouns held out for validation: unseen there, as those of test are."""
    train = listed["split"] == "train"
    adjectives = listed[train].groupby("noun")["adjective"].nunique()
    nouns = np.array(sorted(adjectives.index[adjectives > 1]), dtype=object)
    number = max(1, round(VAL_FRACTION * len(nouns)))
    moved = nouns[_draw_rows(len(nouns), number)]
    label = listed["adjective"] + " " + listed["noun"]
    return pd.DataFrame(
        {
            "image": listed["image"],
            "split": listed["split"].mask(listed["noun"].isin(moved) & train, "val"),
            "part": listed["split"],
            "row": listed.groupby("split").cumcount(),
            "label": label,
            "adjective": listed["adjective"],
            "noun": listed["noun"],
        }
    )


def _draw_rows(count: int, number: int) -> np.ndarray:
    """`number` of `count` places, drawn by the seed; all where there are fewer. In order."""
    rng = np.random.Generator(np.random.Philox(key=SEED))
    return np.sort(rng.permutation(count)[:number])


def _digest(table: pd.DataFrame) -> str:
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()


def find_root(folder: Path) -> Path:
    """The folder that holds `images`: `folder` itself or one right below it."""
    found = [path for path in below(folder, "images") if (path / "images").is_dir()]
    if not found:
        raise InputError(f"{folder / 'images'} does not exist; --root is the folder that holds it")
    return found[0]


def prepare(
    *,
    root: options.Root = None,
    archive: options.Archives = None,
    image_features: options.ImageFeatures = None,
    size: options.Size = 224,
    allow_missing: options.AllowMissing = False,
    partial: options.Partial = False,
) -> Prepared:
    """MIT-States (Isola et al. 2015) with the queries of TIRG.

    FOLDER holds images/<adjective noun>/*.jpg, itself or in a folder right below it. What is read
    lies in data/mitstates afterwards: 8 GB of pixels at 224. --image-features alone does without:
    its ids are "adjective noun/file". With --partial (you have some of the folders only) the
    protocol's name says so, which keeps the results out of the tables of the full set.
    """
    if not 16 <= size <= 1024:
        raise InputError(f"--size {size} is out of range; 16 to 1024 pixels")
    if image_features:
        options.one_given(root=root, archive=archive, image_features=image_features)
        features, damaged = ImageFeatures(image_features), 0
        where, (listed, rows, left_out) = image_features, read_ids(features.store)
        told = features.told()
    else:
        root = find_root(unpacked(root, archive, NAME))
        where, told = root / "images", {"size": size}
        listed, left_out = read_folders(root)
        files = [on_disk(where / image) for image in listed["image"]]
        here, notes = whole(
            files, listed["split"], lambda here: _costs(listed, here), allow_missing
        )
        damaged, listed = int((~here).sum()), listed[here].reset_index(drop=True)
        left_out += notes
    absent = _check_nouns(where, listed, partial)
    lacks = ["some folders missing"] if absent else []
    lacks += [f"{damaged:,} pictures missing"] if damaged else []
    protocol = incomplete(PROTOCOL, " and ".join(lacks)) if lacks else PROTOCOL
    provenance = {
        "kind": "released",
        "files_sha256": _digest(listed[["image", "bytes"]]),
        **told,
        "val_fraction": VAL_FRACTION,
        "val_queries": VAL_QUERIES,
        "seed": SEED,
    }

    def draw(target: Path, images: pd.DataFrame) -> dict[str, int] | None:
        if image_features:
            return features.draw(target, images, rows)
        files = [on_disk(where / image) for image in images["image"]]
        return draw_pictures(target, images, files, size)

    def make() -> Content:
        return _content(listed, protocol, [*left_out, *absent], draw)

    return checks.tell(writer.prepare(NAME, provenance, make))


if __name__ == "__main__":
    options.as_command(__file__)

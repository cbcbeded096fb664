"""Photographs with sentences into the prepared layout, from any of five layouts:

    python data_scripts/captions.py --karpathy dataset_flickr30k.json --images DIR
    python data_scripts/captions.py --albef TRAIN.json VAL.json TEST.json --images DIR
    python data_scripts/captions.py --coco captions_val2017.json --images DIR --split-seed 0
    python data_scripts/captions.py --multi30k DIR --text-only
    python data_scripts/captions.py --csv FILE --id id --text name --suffix .jpg --images DIR

The audit is printed and must give the known counts of Flickr30K or COCO; --partial takes others.
Where to get the files, and what the audit prints: captions.md.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare import audit, captions
from cmir_repro.data.prepare.captions import RELEASES, Release
from cmir_repro.data.readers import captions_json, captions_text
from cmir_repro.data.readers.captions_json import MOST, Captions


def read(given: argparse.Namespace) -> tuple[Captions, str, Release, dict]:
    """What was read, a name for it, what is known of it, and what else the data depend on."""
    most = given.captions or None
    made = {"captions_per_image": most or "all"}
    if given.karpathy or given.albef or given.multi30k:
        if given.karpathy:
            found, key = captions_json.karpathy(given.karpathy, most), given.karpathy.name
        elif given.albef:
            found, key = captions_json.albef(*given.albef, most), given.albef[-1].name
        else:
            found, key = captions_text.multi30k(given.multi30k, most), "flickr30k"
        key = given.release or captions.release_of(key)
        return found, key if key != "other" else "captions", RELEASES[key], made
    if given.coco:
        found, seed = captions_json.coco(given.coco, most), given.split_seed
        # Its images are not those of Karpathy's test split.
        release = RELEASES["coco"]._replace(protocol=captions.ANY, expected={})
    else:
        if not (given.id and given.text):
            raise InputError("--csv needs --id and --text, the columns of image and sentence")
        found = captions_text.csv_column(given.csv, given.id, given.text, given.suffix)
        if given.images:
            found = captions.merge_copies(found, given.images)
        made = {"kind": "photographs", "id": given.id, "text": given.text}
        release, seed = RELEASES["other"], given.split_seed or 0
    made["splits"] = "all test"
    if seed is not None:
        made["splits"] = {"seed": seed, "val": given.val, "test": given.test}
        drawn = captions.drawn_splits(len(found.images), given.val, given.test, seed)
        found = found._replace(images=found.images.assign(split=drawn))
    return found, "coco-captions" if given.coco else "captions", release, made


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    layout = parser.add_mutually_exclusive_group(required=True)
    layout.add_argument("--karpathy", type=Path, metavar="FILE", help="dataset_NAME.json")
    layout.add_argument("--albef", type=Path, nargs=3, metavar=("TRAIN", "VAL", "TEST"))
    layout.add_argument("--coco", type=Path, metavar="FILE", help="captions_val2017.json")
    layout.add_argument("--multi30k", type=Path, metavar="DIR", help="image_splits/ and *.en.gz")
    layout.add_argument("--csv", type=Path, metavar="FILE", help="one sentence a row")
    pictures = parser.add_mutually_exclusive_group(required=True)
    pictures.add_argument("--images", type=Path, metavar="DIR", help="folder with the pictures")
    pictures.add_argument("--text-only", action="store_true", help="sentences, no pixels")
    parser.add_argument("--name", help="of the prepared data set")
    parser.add_argument("--release", choices=RELEASES, help="default: what the file's name says")
    parser.add_argument("--captions", type=int, default=MOST, help="kept an image; 0: all")
    parser.add_argument("--size", type=int, default=224, help="of the squares, in pixels")
    parser.add_argument("--allow-missing", action="store_true", help="leave out absent pictures")
    parser.add_argument("--partial", action="store_true", help="take files with other counts")
    parser.add_argument("--split-seed", type=int, help="draw the splits of --coco and --csv")
    parser.add_argument("--val", type=float, default=0.1, help="share, of drawn splits")
    parser.add_argument("--test", type=float, default=0.2, help="share, of drawn splits")
    parser.add_argument("--id", help="column of --csv that names the image")
    parser.add_argument("--text", help="column of --csv with the sentence")
    parser.add_argument("--suffix", default="", help="added to an id for the file name, say .jpg")
    given = parser.parse_args(arguments)
    try:
        if given.captions < 0 or given.size < 1:
            raise InputError("--captions must be at least 0 and --size at least 1")
        found, name, release, made = read(given)
        counts = captions.facts(found)
        print(audit.table(counts, release.expected))
        if not given.partial:
            audit.check(counts, release.expected, f"{name} with Karpathy's splits")
        data = captions.prepare(
            given.name or (f"{name}-text" if given.text_only else name),
            found,
            release,
            made,
            given.images,
            given.size,
            given.allow_missing,
        )
    except InputError as error:
        sys.exit(f"captions.py: {error}")
    print(f"{data.info['name']} in {paths.shown(data.folder)}, pixels: "
          f"{data.info['provenance']['pixels']}, protocol: {data.info['protocol']}")  # fmt: skip
    print(pd.DataFrame(data.info["coverage"]).T.to_string())
    for line in data.info["left_out"]:
        print(f"left out: {line}")


if __name__ == "__main__":
    main()

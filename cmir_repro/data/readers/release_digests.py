"""Digests of released files, as they lie in the repositories of their owners.

Of the other releases no digest is known to us; their counts are compared.
"""

from collections.abc import Mapping

OTHER = "files other than published"  # in the name of a protocol

# Release -> file -> SHA-256.
DIGESTS = {
    "FashionIQ": {  # XiaoxiaoGuo/fashion-iq, commit f71b16c
        "captions/cap.dress.test.json": (
            "190240b3b4d115cd4f80de65ab78ca18a3f8581c041cbeea6f5a1f57ee4f5a48"
        ),
        "captions/cap.dress.train.json": (
            "1691bd52e5bbda755b0c1f14d1024000be2c57a0cc29511a327af1372636a946"
        ),
        "captions/cap.dress.val.json": (
            "5e5117d45695df9c3ca91fac3e0bc49e6422ae9c8b3793f0ac9b3ab83adb7de9"
        ),
        "captions/cap.shirt.test.json": (
            "27c7551b005d4befa53135a7ddee5e31c97821eafd3ceb3fec514e7ac0ad83a7"
        ),
        "captions/cap.shirt.train.json": (
            "0999ce5da01a38f0cef1547941b738f4c56e225fdd9b8e03e2a6edaf292f94c3"
        ),
        "captions/cap.shirt.val.json": (
            "7b7ca3797b85dddfd83e74cdb4454cb63e3e7c09acef2590155efbacea6d7feb"
        ),
        "captions/cap.toptee.test.json": (
            "db822aa52340ce1f09c3000064f79b60b6c476b50b98bf34200dd2996c06e146"
        ),
        "captions/cap.toptee.train.json": (
            "6daa171a9e744823087780a3b69b8b697bd05526adb6dd55a38ee6c4904ab348"
        ),
        "captions/cap.toptee.val.json": (
            "b4e09f428e6c255cc4b4ec46e77908305ab83075d82840c960be81af15cdc5eb"
        ),
        "image_splits/split.dress.test.json": (
            "1d1d3af24b9ec4ed3f7805c53a870148df9b51e232b32912505d8ae54718353d"
        ),
        "image_splits/split.dress.train.json": (
            "dcb1c7329003e85e39a3010147a620cee4b7de6a5ddf2626f253bc9a2cdd78e5"
        ),
        "image_splits/split.dress.val.json": (
            "21ff91d53c23859da91bfd49f3acc139b7f3a3dc944fc4e4a80194468cf14bab"
        ),
        "image_splits/split.shirt.test.json": (
            "8d243830e80e77c23c8dc9a85db87813230d38da146f0706082db812f591968b"
        ),
        "image_splits/split.shirt.train.json": (
            "1552c05d866d31b43321a719b2cb8a65f02c53e9a6bc355861fe1d62498b9983"
        ),
        "image_splits/split.shirt.val.json": (
            "b82effbf7352a6f828b38c45eb32e53d726bd4d6fd81d6290c81eeb2c68e3234"
        ),
        "image_splits/split.toptee.test.json": (
            "25a30d4f4013a04026585399b10980db7cba39dfaad0d97a0671a62e2125ddbf"
        ),
        "image_splits/split.toptee.train.json": (
            "aa9b3a55332340f21360fb6a3fe174badd27ce389fe7d78d890bf2b9032ffe05"
        ),
        "image_splits/split.toptee.val.json": (
            "ee42b2505275dd7a19b11ddb88c9264aab2d77f4e59b075fb1c7c3095d02f412"
        ),
    },
    "CIRR": {  # Cuberick-Orion/CIRR, branch cirr_dataset, commit 2276fba
        "captions/cap.rc2.test1.json": (
            "26a2b2e7a5c96c903491aefc7d5f237f03d3cca97712e1b6bb3b231db5ff8001"
        ),
        "captions/cap.rc2.val.json": (
            "a85c3a1aa464f1af7229918e8018d08b8b20ce5dab479ffdf39d61113140f919"
        ),
        "image_splits/split.rc2.test1.json": (
            "bf2bb9ed0659c4aae35de72350652b9ab75d36a060211f826bec15c58ec12566"
        ),
        "image_splits/split.rc2.train.json": (
            "7b3f2211ff67e527190754ab778321a3c83f0baa6150d1e6c19646ec25c3bcb9"
        ),
        "image_splits/split.rc2.val.json": (
            "de36f7a7219c8bb06347a67748cfc68405be7dad62853a1e31846c98e491235b"
        ),
    },
    "Multi30K": {  # multi30k/dataset, commit a3d2e0d
        "image_splits/test_2016_images.txt": (
            "871e8ecafc66fb13e044ecccf669d04a865b4c58553227df86b933f0337a1563"
        ),
        "image_splits/train_images.txt": (
            "97ee57e160a46c7d0e75298ebf57967e1245698a6f8806436ff07e61d1a41221"
        ),
        "image_splits/val_images.txt": (
            "db26f03eaf833ec47bfaea129ed053b68cbcfc5d1f9a09c4cdf7c88fbfea7108"
        ),
        "test_2016.1.en.gz": ("bf64274c8e1f73ba57d47409f707a640b3874a06e7e83adfb5a6d4c055bc6b29"),
        "test_2016.2.en.gz": ("36c12dac199e336e74ebe91c5240a1c6cefce7af2a3f3a2054d184947932bc3c"),
        "test_2016.3.en.gz": ("2188662d22b01c5ecf7ae6a7c003b45fc83c510d34999c2340078e75088b0f1f"),
        "test_2016.4.en.gz": ("dcb6a0ad2ae40f54a1f9e9f20d3146c7f0a662feece2e78d2d511667bf229f08"),
        "test_2016.5.en.gz": ("60e31317f0d960aed273d8ec527411935fb1ff3dee2c9cc9572259739ff193c0"),
        "train.1.en.gz": ("a0e057f07a9733199c0d755d77f6d583dc6f40a3180734b1130a216e2fdf3a3b"),
        "train.2.en.gz": ("d79dd70a9eafb2d1fe40151621278c4ae69b3c148c5052a53d7c7a41bf3ba023"),
        "train.3.en.gz": ("86e16fdcc699bcb6bca0f87c3cf1051f7de5ee3674dd588cedc5200194282749"),
        "train.4.en.gz": ("3771b84e010ad6197806d2a1188cb07c12149e3e0d178dd5966dee5763733686"),
        "train.5.en.gz": ("73988689307fe836994eae59735dc840c15da9775455fa76e6ed22606a042a91"),
        "val.1.en.gz": ("4ce8f8ffbef4a1c066e3f35a5ffc764666c26c318a733d9bdc6349577f1c6f9c"),
        "val.2.en.gz": ("4103944d652127e5af33ba2761d71cb6c0e1509c1a67d4387dc67ad768cfb752"),
        "val.3.en.gz": ("6ecd848713d98faa9c6db2e9e457a778335358e6e3a4743cf4e929a0516e399a"),
        "val.4.en.gz": ("bfab4f0cbdac6233f206bbbfbd324dc02b258e291c3f410a69f9884171008788"),
        "val.5.en.gz": ("4b6a6541b7b58d545eff7feead4187aeb0439a7178a7bed6951121e0ecbaee66"),
    },
    "COCO captions": {  # annotations of val2017, as in ruizewang/evaluate, commit 1152656
        "captions_val2017.json": (
            "1018a8760deaf1fc71be2f1b8da1a1348b9c35994af4322ca2fd795a78abb79c"
        ),
    },
    "Wikipedia": {  # BMC-SDNU/Cross-Modal-Retrieval, commit 710256f
        "raw_features.mat": ("ca628f765a69575e168ab29eb97f5ade12fadf47b31de1328c7ff631c7f225ae"),
        "wikiData.mat": ("65eb91876cf7df0547165271336dd068f10d1df7bf433969622338baf410413c"),
        "categories.list": ("4929f3ee00e9de9ffe11f9ab18fc8919b0f6182cc801309409df2f2d05e2b0f5"),
        "testset_txt_img_cat.list": (
            "ec3123ee31cc89dd95fbeb23eb73b2ecfd1d8909bba863723471aad99408c1eb"
        ),
        "trainset_txt_img_cat.list": (
            "30c1ba8afbe90da5986de9b12496b6dd2e4680d3876b79ab7aae2e437d5819a3"
        ),
    },
}


def differing(release: str, files: Mapping[str, str]) -> list[str]:
    """The files that are not as published, of those whose digests are known.

    Args:
        release: a key of DIGESTS, or any other.
        files: path as in DIGESTS (below any folder raw/) -> SHA-256 of what was read.
    """
    known = DIGESTS.get(release, {})
    return [
        file
        for file, digest in files.items()
        if known.get(file.removeprefix("raw/"), digest) != digest
    ]

"""Small models with random weights, saved as `transformers` saves them, with their processors."""

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    BlipConfig,
    BlipModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
)

SIDE, PATCH, WIDTH = 16, 8, 12
GRID = (SIDE // PATCH, SIDE // PATCH)
WORDS = [
    "make",
    "the",
    "red",
    "cube",
    "blue",
    "big",
    "sphere",
    "small",
    "object",
    "left",
    "right",
    "add",
    "remove",
    "a",
]
LENGTH = 10
_TOWER = {
    "hidden_size": WIDTH,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "initializer_range": 0.5,  # at the usual 0.02 so small a net tells nothing apart
}
_VISION = {**_TOWER, "image_size": SIDE, "patch_size": PATCH}
_TEXT = {
    **_TOWER,
    "vocab_size": len(WORDS) + 4,
    "max_position_embeddings": LENGTH,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def _both(kind, **more):
    return kind(text_config=_TEXT, vision_config=_VISION, projection_dim=6, **more)


MODELS = {
    "clip": lambda: CLIPModel(_both(CLIPConfig)),
    "siglip": lambda: SiglipModel(SiglipConfig(text_config=_TEXT, vision_config=_VISION)),
    "blip": lambda: BlipModel(_both(BlipConfig, image_text_hidden_size=6)),
    "dinov2": lambda: Dinov2Model(Dinov2Config(**_VISION)),
    "bert": lambda: BertModel(BertConfig(**_TEXT)),
}
READ_IMAGES, READ_TEXTS = ("clip", "siglip", "blip", "dinov2"), ("clip", "siglip", "blip", "bert")


def tokenizer():
    """Words split at blanks, between [CLS] and [SEP]."""
    vocabulary = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *WORDS]
    inner = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(vocabulary)}, unk_token="[UNK]")
    )
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", bos_token="[CLS]", eos_token="[SEP]", model_max_length=LENGTH,
    )  # fmt: skip


def save(folder, name, seed=0):
    """A model of MODELS with its tokeniser and image processor; returns the folder."""
    torch.manual_seed(seed)
    MODELS[name]().save_pretrained(folder)
    if name in READ_TEXTS:
        tokenizer().save_pretrained(folder)
    if name in READ_IMAGES:
        size = {"height": SIDE, "width": SIDE}
        CLIPImageProcessor(size=size, crop_size=size, do_center_crop=False).save_pretrained(folder)
    return folder

"""DIM: composed retrieval whose features are tied together by mutual information (Gu et al. 2021).

What the paper's abstract states: encoders, a fusion network and a metric loss as others have
them; part A maximises mutual information between text and image representations, which do not
mean exactly the same; part B maximises it between a low-level layer of the image encoder and the
high-level layer of the fusion network. Everything else is unknown to us: estimator, critics,
weights, which block is low-level, which image is paired with the text, whether gradients reach
the image encoder, masking are configuration, and that part B looks at the desired image is our
reading. The defaults are our choice; notebook 03 says which is which.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from cmir_repro.core.config import Config
from cmir_repro.core.distributed import gather, whole_draws
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.losses.metric import METRIC_OBJECTIVES, scaled
from cmir_repro.losses.mutual_information import ESTIMATORS
from cmir_repro.models.compositors import COMPOSITORS, build_compositor
from cmir_repro.models.critics import CRITICS
from cmir_repro.models.image import (
    BLOCKS,
    CONVNETS,
    FEATURES,
    FROZEN,
    IMAGE_ENCODERS,
    ImageFeatures,
    build_image_encoder,
)
from cmir_repro.models.ready import ReadyImage, ReadyText
from cmir_repro.models.text import LSTM, Bert, TextFeatures
from cmir_repro.systems.base import Group

PAIRS = {"source": ("source",), "target": ("target",), "both": ("source", "target")}


class DimConfig(Config):
    """The two mutual-information terms."""

    parts: Literal["A", "B", "AB"] = "AB"
    estimator: Literal[tuple(ESTIMATORS)] = "jsd"
    critic: Literal[tuple(CRITICS)] = "encode-and-dot"
    units: int = Field(128, ge=1)  # width of the critics; 2048 in the Deep InfoMax code
    weight_a: float = Field(0.1, ge=0)
    weight_b: float = Field(0.1, ge=0)
    block: Literal[BLOCKS] = "block2"  # the low-level map of part B
    pair: Literal[tuple(PAIRS)] = "target"  # the image(s) that part A pairs with the text
    # Pairs that are no negatives: "label" the same image label, "sentence" the same text.
    mask: Literal["none", "label", "sentence", "both"] = "both"
    detach_image: bool = False  # True: the terms leave the image encoder's blocks untouched
    positions: int = Field(0, ge=0)  # positions of the map used a step, drawn anew; 0: all

    @model_validator(mode="after")
    def _sensible(self):
        for part, weight in (("A", self.weight_a), ("B", self.weight_b)):
            if part in self.parts and weight == 0:
                raise ValueError(
                    f"part {part} with weight_{part.lower()} = 0 does nothing; "
                    "take it out of parts or give it a weight"
                )
        if self.mask == "sentence" and self.parts == "B":
            raise ValueError("mask 'sentence' is about part A's pairs; parts 'B' has none")
        return self


class ModelConfig(Config):
    """Nets and objectives of one composed-retrieval model."""

    # "features", of images or texts: those of a file, computed elsewhere.
    image_encoder: Literal[(*IMAGE_ENCODERS, FEATURES)] = "resnet18"
    image_weights: str = "none"  # "none", "imagenet" or a safetensors file
    text_encoder: Literal[("lstm", "bert", FEATURES)] = "lstm"
    text_weights: str = ""  # folder of the BERT
    text_dropout: float = Field(0.1, ge=0, lt=1)  # TIRG
    compositor: str = "tirg"  # a key of COMPOSITORS, which a reader may add to
    embed_dim: int = Field(512, ge=1)  # TIRG
    metric: Literal[tuple(METRIC_OBJECTIVES)] = "batch-softmax"
    dim: DimConfig | None = None

    @field_validator("compositor")
    @classmethod
    def _known(cls, name):
        try:
            one_of("compositor", name, COMPOSITORS)
        except InputError as error:
            raise ValueError(error) from error
        return name

    @model_validator(mode="after")
    def _possible(self):
        if (self.text_encoder == "bert") != bool(self.text_weights):
            raise ValueError("text_encoder 'bert' and text_weights (its folder) go together")
        if self.image_encoder in CONVNETS and self.image_weights != "none":
            raise ValueError(
                f"image_encoder {self.image_encoder!r} has no weights; use image_weights = 'none'"
            )
        if self.image_encoder == FEATURES and self.image_weights != "none":
            raise ValueError("ready features take no weights; use image_weights = 'none'")
        if self.image_encoder == FROZEN and self.image_weights == "none":
            raise ValueError(f"image_encoder {FROZEN!r} needs image_weights, which it leaves alone")
        if self.dim is not None and self.compositor in ("image-only", "text-only"):
            raise ValueError(
                f"dim ties a fusion of image and text to images; {self.compositor!r} has none "
                "(compositors with one: "
                f"{', '.join(c for c in COMPOSITORS if not c.endswith('only'))})"
            )
        return self


class Composed(nn.Module):
    """Encoders, compositor and objectives of composed retrieval, with or without DIM.

    Args:
        config: what to build.
        vocabulary: V, words the LSTM knows.
        image_shape, text_shape: of one image's or sentence's features, where they are ready.
    """

    gathered = ("compositor",)  # see base.System

    def __init__(
        self,
        config: ModelConfig,
        vocabulary: int,
        image_shape: Sequence[int] = (),
        text_shape: Sequence[int] = (),
    ) -> None:
        super().__init__()
        D = config.embed_dim
        self.config = config
        if config.image_encoder == FEATURES:
            self.image = ReadyImage(D, image_shape)
        else:
            self.image = build_image_encoder(config.image_encoder, D, config.image_weights)
        if config.text_encoder == FEATURES:
            self.text = ReadyText(D, text_shape, config.text_dropout)
        elif config.text_encoder == "lstm":
            self.text = LSTM(vocabulary, D, config.text_dropout)
        else:
            self.text = Bert(config.text_weights, D)
        last = self.image.channels[BLOCKS[-1]]
        self.compositor = build_compositor(config.compositor, last, D)
        self.scale = nn.Parameter(torch.tensor(4.0))  # TIRG
        dim = config.dim
        if dim is not None:
            critic = CRITICS[dim.critic]
            if "A" in dim.parts:
                self.critic_a = nn.ModuleDict(
                    {image: critic(D, D, dim.units) for image in PAIRS[dim.pair]}
                )
            if "B" in dim.parts:
                self.critic_b = critic(self.image.channels[dim.block], D, dim.units)

    def pretrained_parameters(self):
        """Parameters that may come with pretrained weights."""
        if self.config.image_encoder == FEATURES:
            return []
        return [p for name, p in self.image.named_parameters() if not name.startswith("fc.")]

    def parameter_groups(self, config) -> list[Group]:
        """See base.System; recipes slow pretrained layers down (TIRG)."""
        pretrained = set()
        if config.pretrained_factor != 1.0:
            pretrained = {id(p) for p in self.pretrained_parameters()}
        return [
            ([p for p in self.parameters() if (id(p) in pretrained) == inside], factor, {})
            for inside, factor in ((False, 1.0), (True, config.pretrained_factor))
        ]

    def encode(self, pixels: Tensor):
        """A batch of the picture store -> ImageFeatures."""
        return self.image(self.image.prepare(pixels))

    def query(self, source: ImageFeatures, text: TextFeatures) -> Tensor:
        """Features of source and text -> query vectors (B, D)."""
        return self.compositor(source, text, self.image.head)

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """The losses of a batch.

        The encoders see this process's share; what follows sees the whole batch, gathered over
        all processes, so that negatives and layer statistics are those of the whole batch.

        Args:
            batch: source, target (B, H, W, 3) uint8, frozen features (B, h, w, C), or those
                of a file; input_ids (B, L) or features of texts; lengths (B,), source_label,
                target_label, sentence (B,) int64.
            generator: draws triplets and positions; the same in every process.

        Returns:
            "loss" and its parts by name, each () float; "bound A", "bound B" are the estimates
            of mutual information that DIM maximises.
        """
        dim = self.config.dim
        with whole_draws():
            source = self.encode(batch["source"])
            target = self.encode(batch["target"])
            text = self.text(batch["input_ids"], batch["lengths"])
        # Only the maps and words that somebody reads travel between processes.
        words = gather(text.words) if self.compositor.needs_words else text.words[:, :0]
        text = TextFeatures(gather(text.vector), words, gather(text.lengths))
        maps = {BLOCKS[-1]: source.maps[BLOCKS[-1]]} if self.compositor.needs_map else {}
        source = source._replace(
            vector=gather(source.vector), maps={name: gather(x) for name, x in maps.items()}
        )
        fusion = self.query(source, text)
        target_vector = gather(target.vector)

        def metric(queries: Tensor, targets: Tensor) -> Tensor:
            # Logits of some hundreds would be rounded to whole numbers in bf16.
            with torch.autocast(queries.device.type, enabled=False):
                return METRIC_OBJECTIVES[self.config.metric](
                    scaled(queries.float(), self.scale),
                    scaled(targets.float(), self.scale),
                    generator,
                )

        losses = {"metric": metric(fusion, target_vector)}
        total = losses["metric"]
        own = self.compositor.extra_losses(source, text, fusion, target_vector, metric)
        for name, (weight, loss) in own.items():
            losses[name] = loss
            total = total + weight * loss
        if dim is not None and "A" in dim.parts:
            vectors = {"source": source.vector, "target": target_vector}
            bounds = [
                self._bound(
                    self.critic_a[image],
                    text.vector,
                    vectors[image],
                    self._keep(gather(batch[f"{image}_label"]), gather(batch["sentence"])),
                )
                for image in PAIRS[dim.pair]
            ]
            losses["bound A"] = torch.stack(bounds).mean()
            total = total - dim.weight_a * losses["bound A"]
        if dim is not None and "B" in dim.parts:
            low = gather(self._some_positions(target.maps[dim.block], generator))
            keep = self._keep(gather(batch["target_label"]), None)
            y = self.query(_detached(source), text) if dim.detach_image else fusion
            losses["bound B"] = self._bound(self.critic_b, y, low, keep)
            total = total - dim.weight_b * losses["bound B"]
        return {"loss": total, **losses}

    def _bound(self, critic: nn.Module, y: Tensor, x: Tensor, keep: Tensor) -> Tensor:
        dim = self.config.dim
        scores = critic(y, x.detach() if dim.detach_image else x)  # (B, B, P)
        return ESTIMATORS[dim.estimator](scores.float(), keep)

    def _keep(self, label: Tensor, sentence: Tensor | None) -> Tensor:
        """(B, B) bool, False where a pair of different samples may well belong together."""
        mask = self.config.dim.mask
        keep = torch.ones(len(label), len(label), dtype=torch.bool, device=label.device)
        if mask in ("label", "both"):
            keep &= label[:, None] != label
        # The fusion of another source with the same sentence is a true negative of part B.
        if mask in ("sentence", "both") and sentence is not None:
            keep &= sentence[:, None] != sentence
        return keep

    def _some_positions(self, x: Tensor, generator: torch.Generator) -> Tensor:
        count = self.config.dim.positions
        if count == 0 or count >= x.shape[2] * x.shape[3]:
            return x
        chosen = torch.randperm(x.shape[2] * x.shape[3], generator=generator)[:count]
        return x.flatten(2)[:, :, chosen.to(x.device)].unsqueeze(-1)  # (B, C, count, 1)


def _detached(image: ImageFeatures) -> ImageFeatures:
    return ImageFeatures(image.vector.detach(), {n: x.detach() for n, x in image.maps.items()})

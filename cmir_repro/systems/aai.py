"""AAI: adequate alignment and interaction for image <-> sentence retrieval, as far as it is known.

Known of the paper (Adequate alignment and interaction for cross-modal retrieval, 2023): image and
text encoders, GPO aggregators g_v and g_t whose outputs are aligned by three objectives (ITC, IMS,
LMIM), momentum copies of encoders and aggregators, and a fusion encoder at the end. Everything
else is a named setting here, with its nearest public relative as default: pooling of VSE-infinity,
momentum contrast and matching of ALBEF, the intra-modal and local terms of TCL.

Letters: B batch, N tokens of a set, D width of the encoders, E width of the joint space, M queue.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from cmir_repro.core.config import Config
from cmir_repro.core.distributed import gather, place, share, whole_draws
from cmir_repro.core.errors import InputError
from cmir_repro.data.augment import VIEWS, random_view
from cmir_repro.losses import contrastive, matching
from cmir_repro.models.fusion import FusionEncoder
from cmir_repro.models.image import FEATURES
from cmir_repro.models.image_tokens import IMAGE_TOKENS, build_image_tokens
from cmir_repro.models.momentum import FeatureQueue, MomentumCopy
from cmir_repro.models.pooling import POOLERS, drop_vectors
from cmir_repro.models.text import TEXT_TOKENS, build_text_tokens
from cmir_repro.models.token_set import TokenSet
from cmir_repro.systems.aai_sides import Side, gathered, regions_of, words_of
from cmir_repro.systems.base import Group


class AAIConfig(Config):
    """Nets and objectives of one model; a weight of 0 takes a term out."""

    image_encoder: Literal[tuple(IMAGE_TOKENS)] = "vit-s16"
    image_weights: str = "none"  # "none", or where the pretrained weights lie
    text_encoder: Literal[tuple(TEXT_TOKENS)] = "bert-base"
    text_weights: str = "none"  # "none", or the folder of a saved BERT
    text_layers: int | None = Field(6, ge=1)  # ALBEF; None: all that the encoder has
    width: int = Field(384, ge=8)  # D
    embed_dim: int = Field(256, ge=1)  # E, ALBEF
    pooler: Literal[tuple(POOLERS)] = "gpo"
    size_augmentation: bool = True  # drop vectors of a set and words of a sentence (VSE-infinity)
    augment: Literal[tuple(VIEWS)] = "photographs"
    itc: float = Field(1.0, ge=0)
    ims: float = Field(1.0, ge=0)
    lmim: float = Field(1.0, ge=0)
    itm: float = Field(1.0, ge=0)
    mlm: float = Field(0.0, ge=0)  # masked words; unknown whether the paper has it
    # Global and local features of one modality (TCL), of the other one, or the mean of both.
    # A vector with the local features of its own modality (TCL), of the other, all four, or within
    # one modality alone: cells of a small convolutional net see no other cell, words see all words.
    lmim_pairs: Literal["intra", "cross", "both", "images", "texts"] = "intra"
    lmim_cells: int = Field(4, ge=1)  # local features of an image: this many each way (TCL)
    momentum_copies: bool = True
    momentum: float = Field(0.995, ge=0, lt=1)  # ALBEF
    queue: int = Field(65_536, ge=0)  # M, ALBEF; 0: keys of the batch only
    soft_labels: float = Field(0.4, ge=0, lt=1)  # alpha, ALBEF
    soft_ramp: int = Field(1000, ge=1)  # steps until alpha is reached
    # What the fusion encoder sees: all tokens (ALBEF), or the two aggregated vectors, as the
    # abstract's words "on the aggregated features" may mean; attention over one vector is none.
    fusion_input: Literal["tokens", "aggregated"] = "tokens"
    fusion_layers: int = Field(6, ge=1)
    heads: int = Field(6, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    temperature: float = Field(0.07, gt=0)  # at the start; learnt
    temperature_range: tuple[float, float] = (0.001, 0.5)  # ALBEF, pre-training

    @model_validator(mode="after")
    def _possible(self):
        if not self.itc:
            raise ValueError(
                "itc = 0 leaves nothing that ties images and sentences; give it weight"
            )
        if self.text_encoder == FEATURES and (self.mlm or self.size_augmentation):
            raise ValueError(
                "ready features have no words to mask or drop; set mlm to 0 and size_augmentation "
                "to false"
            )
        if self.mlm and self.fusion_input == "aggregated":
            raise ValueError(
                "mlm tells hidden words from the fusion encoder's tokens, and fusion_input "
                "'aggregated' has none; set mlm to 0 or fusion_input to 'tokens'"
            )
        if not self.momentum_copies:
            needs = {"ims": self.ims, "lmim": self.lmim, "soft_labels": self.soft_labels}
            needs["queue"] = self.queue
            wrong = [name for name, value in needs.items() if value]
            if wrong:
                raise ValueError(
                    f"{', '.join(wrong)} need momentum copies; set them to 0 or momentum_copies "
                    "to true"
                )
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        low, high = self.temperature_range
        if not 0 < low <= self.temperature <= high:
            raise ValueError("temperature must lie in temperature_range, both above 0")
        return self


class AAI(nn.Module):
    """Encoders, aggregators, momentum copies, fusion encoder and objectives.

    Args:
        config: what to build.
        vocabulary: V, number of words or word pieces.
        shape: of one stored picture (H, W, 3), or of its ready features.
        special_tokens: the ids of the tokeniser that are no words ("special"), and the one that
            hides a word ("mask"); only the MLM term reads them.
        text_shape: of one sentence's features, where they are ready.
        queue_seed: of the random keys that fill the queue at first.

    Raises:
        InputError: weights that cannot be had, or a pooler without its token.
    """

    def __init__(
        self,
        config: AAIConfig,
        vocabulary: int,
        shape: tuple[int, ...],
        special_tokens: dict | None = None,
        queue_seed: int = 0,
        text_shape: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.config, self.special_tokens = config, special_tokens
        D, E = config.width, config.embed_dim
        pooler = POOLERS[config.pooler]
        image = build_image_tokens(config.image_encoder, D, config.image_weights, shape)
        text = _text_encoder(config, vocabulary, text_shape)
        if config.pooler == "cls" and not (image.has_cls and text.has_cls):
            raise InputError(
                f"pooler 'cls' needs encoders with such a token; {config.image_encoder!r} or "
                f"{config.text_encoder!r} has none"
            )
        self.online = nn.ModuleDict(
            {
                "image": image,
                "text": text,
                "image_projection": nn.Linear(D, E),
                "text_projection": nn.Linear(D, E),
                "image_pool": pooler(),
                "text_pool": pooler(),
            }
        )
        if config.momentum_copies:
            self.copies = MomentumCopy(self.online)
        if config.queue:
            generator = torch.Generator().manual_seed(queue_seed)
            self.image_queue = FeatureQueue(E, config.queue, generator)
            self.text_queue = FeatureQueue(E, config.queue, generator)
        if config.itm or config.mlm:
            self.fusion = FusionEncoder(D, D, config.fusion_layers, config.heads, config.dropout)
            self.match_head = nn.Linear(D, 2)
        if config.mlm:
            self.word_head = nn.Linear(D, vocabulary)
        self.temperature = nn.Parameter(torch.tensor(config.temperature))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def parameter_groups(self, config) -> list[Group]:
        """See base.System: no decay for vectors (ALBEF), a lower rate for pretrained encoders."""
        encoders = (("image", self.config.image_weights), ("text", self.config.text_weights))
        slow = {
            id(p)
            for name, weights in encoders
            if weights != "none"
            for part, p in self.online[name].named_parameters()
            if not part.startswith(("project", "positions"))  # these are always new
        }
        trained = [p for p in self.parameters() if p.requires_grad]
        return [
            (
                [p for p in trained if (id(p) in slow) == inside and (p.ndim < 2) == vector],
                config.pretrained_factor if inside else 1.0,
                {"weight_decay": 0.0} if vector else {},
            )
            for inside in (False, True)
            for vector in (False, True)
        ]

    # Encoding ------------------------------------------------------------------------------------

    def encode_images(self, pictures: Tensor) -> Side:
        """A batch of the picture store -> its side."""
        return self._images(self.online, pictures)

    def encode_texts(self, input_ids: Tensor, lengths: Tensor) -> Side:
        """(B, L) and (B,) int64 -> its side."""
        return self._texts(self.online, input_ids, lengths)

    def vector(self, side: Side, modality: Literal["image", "text"]) -> Tensor:
        """The holistic embeddings (B, E), length 1."""
        return self._pooled(self.online, side.local, side.tokens.lengths, modality)

    def match(
        self,
        text: Side,
        image: Side,
        attention: bool = False,
        pairs: tuple[Tensor, Tensor] | None = None,
    ):
        """Fusion of B sentences with B images -> logits (B, 2), [1] "belongs together".

        With `attention` also the cross-attention (B, heads, L, N) of each layer. `pairs` are rows
        of the two sides, (B,) int64 each, where some are in several pairs; see FusionEncoder.
        """
        inputs = self._fusion_inputs(text.tokens, image.tokens)
        out = self.fusion(*inputs, attention=attention, cls_only=not attention, pairs=pairs)
        logits = self.match_head(out.cls)
        return (logits, out.attention) if attention else logits

    # Training ------------------------------------------------------------------------------------

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """The losses of a batch.

        Encoders see this process's share; what follows sees the whole batch, gathered over all
        processes. The fusion encoder, the dear part, again takes a share of the pairs.

        Args:
            batch: image (b, H, W, 3) uint8 or ready features; draws (b, 2, DRAWS) float;
                input_ids (b, L), lengths (b,): words, some dropped; clean_input_ids,
                clean_lengths: none dropped; id (b,) int64, equal for sentences of one image.
            generator: draws what is dropped, masked and matched; the same in every process.

        Returns:
            "loss" and its parts, each () float; "temperature".
        """
        c = self.config
        with torch.no_grad():
            self.temperature.clamp_(*c.temperature_range)
            if c.momentum_copies and self.training:
                self.copies.update(c.momentum)
        first = random_view(batch["image"], batch["draws"][:, 0], c.augment)
        with whole_draws():
            image = gathered(self._images(self.online, first))
            text = gathered(self._texts(self.online, batch["input_ids"], batch["lengths"]))
        ids = gather(batch["id"])
        v = self._pooled(self.online, *self._some(image, generator), "image")  # (B, E)
        t = self._pooled(self.online, text.local, text.tokens.lengths, "text")
        keys = (v, t)
        if c.momentum_copies:
            with torch.no_grad(), whole_draws():
                second = random_view(batch["image"], batch["draws"][:, 1], c.augment)
                image_m = gathered(self._images(self.copies, second))
                whole = batch["clean_input_ids"], batch["clean_lengths"]
                text_m = gathered(self._texts(self.copies, *whole))
                keys = (
                    self._pooled(self.copies, image_m.local, image_m.tokens.lengths, "image"),
                    self._pooled(self.copies, text_m.local, text_m.tokens.lengths, "text"),
                )
        losses = {}
        # Logits of some hundreds would be rounded to whole numbers in bf16.
        with torch.autocast(v.device.type, enabled=False):
            v, t, v_m, t_m = v.float(), t.float(), keys[0].float(), keys[1].float()
            logits = self._align(losses, v, t, v_m, t_m, ids)
            if c.lmim:
                losses["lmim"] = self._local(v, t, image_m, text_m)
        total = sum(getattr(c, name) * losses[name] for name in losses)
        if c.itm:
            losses["itm"] = self._matching(image, text, *logits, ids, generator)
            total = total + c.itm * losses["itm"]
        if c.mlm:
            losses["mlm"] = self._words(batch, image, generator)
            total = total + c.mlm * losses["mlm"]
        if self.training:
            self._advance(v_m, t_m, ids)
        # A copy: the parameter itself would have moved on by the time that it is logged.
        return {"loss": total, **losses, "temperature": self.temperature.detach().clone()}

    def _align(self, losses, v, t, v_m, t_m, ids) -> tuple[Tensor, Tensor]:
        """ITC and IMS into `losses`; the logits image to text and text to image (B, B)."""
        c, B = self.config, len(ids)
        images, texts, known = v_m, t_m, ids  # keys, and whose they are
        if c.queue:
            images = torch.cat([v_m, self.image_queue.features.T])  # (B + M, E)
            texts = torch.cat([t_m, self.text_queue.features.T])
            known = torch.cat([ids, self.image_queue.ids])
        hard = contrastive.id_targets(ids, known)  # (B, B + M)
        tau = self.temperature.float()
        i2t, t2i = v @ texts.T / tau, t @ images.T / tau  # (B, B + M)
        soft_i2t = soft_t2i = hard
        if c.soft_labels:
            alpha = contrastive.alpha_at(int(self.steps), c.soft_ramp, c.soft_labels)
            with torch.no_grad():
                soft_i2t = contrastive.soft_targets(hard, v_m @ texts.T / tau, alpha)
                soft_t2i = contrastive.soft_targets(hard, t_m @ images.T / tau, alpha)
        contrast = contrastive.contrast
        losses["itc"] = (contrast(i2t, soft_i2t) + contrast(t2i, soft_t2i)) / 2
        if c.ims:
            i2i, t2t = v @ images.T / tau, t @ texts.T / tau
            losses["ims"] = (contrast(i2i, hard) + contrast(t2t, hard)) / 2
        return i2t[:, :B], t2i[:, :B]

    def _local(self, v: Tensor, t: Tensor, image: Side, text: Side) -> Tensor:
        """LMIM: global features of the online nets, local ones of the momentum copies."""
        c, tau = self.config, self.temperature.float()
        regions, regions_n = regions_of(image, self.online["image"], c.lmim_cells)
        words, words_n = words_of(text, self.online["text"])
        images, texts = (v, regions, regions_n), (t, words, words_n)
        crossed = [(v, words, words_n), (t, regions, regions_n)]
        chosen = {
            "intra": [images, texts],
            "cross": crossed,
            "both": [images, texts, *crossed],
            "images": [images],
            "texts": [texts],
        }[c.lmim_pairs]
        terms = [contrastive.local_mutual_information(g, local, n, tau) for g, local, n in chosen]
        return torch.stack(terms).mean()

    def _matching(self, image, text, i2t, t2i, ids, generator) -> Tensor:
        """ITM: each matched pair, and for each image and each sentence a hard negative."""
        other_image, other_text, usable = matching.hard_negatives(i2t, t2i, ids, ids, generator)
        own = torch.arange(len(ids), device=ids.device)
        texts = torch.cat([own, own, other_text])  # (3B,)
        images = torch.cat([own, other_image, own])
        mine = share(len(texts), *place())
        with whole_draws(len(texts)):
            found = self.match(text, image, pairs=(texts[mine], images[mine]))
        logits = gather(found.float(), len(texts))  # (3B, 2)
        return matching.matching_loss(logits[: len(ids)], logits[len(ids) :], usable)

    def _words(self, batch, image: Side, generator) -> Tensor:
        """MLM: hidden words told from the rest of the sentence and the image."""
        lengths = gather(batch["clean_lengths"])
        input_ids, labels = matching.mask_words(
            gather(batch["clean_input_ids"]),
            lengths,
            generator,
            vocabulary=self.word_head.out_features,
            **self.special_tokens,
        )
        mine = share(len(input_ids), *place())
        seen = image.take(torch.arange(len(input_ids), device=input_ids.device)[mine])
        with whole_draws():
            text = self._texts(self.online, input_ids[mine], lengths[mine])
            states = self.fusion(text.tokens, seen.tokens).tokens
        logits = gather(self.word_head(states).float())  # (B, L, V)
        return matching.masked_language_loss(logits, labels)

    @torch.no_grad()
    def _advance(self, v_m: Tensor, t_m: Tensor, ids: Tensor) -> None:
        if self.config.queue:
            self.image_queue.push(v_m, ids)
            self.text_queue.push(t_m, ids)
        self.steps += 1

    # Parts ---------------------------------------------------------------------------------------

    @staticmethod
    def _images(nets: nn.ModuleDict, pictures: Tensor) -> Side:
        tokens = nets["image"](nets["image"].prepare(pictures))
        return Side(tokens, nets["image_projection"](tokens.tokens))

    @staticmethod
    def _texts(nets: nn.ModuleDict, input_ids: Tensor, lengths: Tensor) -> Side:
        tokens = nets["text"](input_ids, lengths)
        return Side(tokens, nets["text_projection"](tokens.tokens))

    @staticmethod
    def _pooled(nets: nn.ModuleDict, local: Tensor, lengths: Tensor, modality: str) -> Tensor:
        return F.normalize(nets[f"{modality}_pool"](local, lengths)[0], dim=-1)  # (B, E)

    def _some(self, image: Side, generator) -> TokenSet:
        """The local features of images without those that size augmentation drops."""
        if not (self.config.size_augmentation and self.training):
            return TokenSet(image.local, image.tokens.lengths)
        encoder = self.online["image"]
        kind = "regions" if encoder.grid is None else "grids"
        return drop_vectors(
            image.local, image.tokens.lengths, generator, kind=kind, has_cls=encoder.has_cls
        )

    def _fusion_inputs(self, text: TokenSet, image: TokenSet) -> tuple[TokenSet, TokenSet]:
        if self.config.fusion_input == "tokens":
            return text, image
        one = torch.ones(len(text.tokens), dtype=torch.int64, device=text.tokens.device)
        return tuple(
            TokenSet(self.online[f"{name}_pool"](x.tokens, x.lengths)[0][:, None], one)
            for name, x in (("text", text), ("image", image))
        )


def _text_encoder(config: AAIConfig, vocabulary: int, shape: Sequence[int]) -> nn.Module:
    if config.text_encoder == FEATURES:
        return build_text_tokens(FEATURES, config.width, vocabulary, shape=shape)
    options = {} if config.text_encoder == "bigru" else {"layers": config.text_layers}
    if config.text_encoder == "transformer":
        options |= {"heads": config.heads, "dropout": config.dropout, "longest": 128}
    return build_text_tokens(
        config.text_encoder, config.width, vocabulary, config.text_weights, **options
    )

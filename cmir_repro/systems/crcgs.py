"""CRCGS: image <-> tags with generative teachers, contrast and support sets, then hashed.

Zhang et al., Image-Text Retrieval via Contrastive Learning with Auxiliary Generative Features and
Support-set Regularization, SIGIR 2022. Known are the abstract and the released code (repository
Hambaobao/CRCGS), which differ; each difference is a setting here, by default as the abstract
describes it, `RELEASED` is what the code computes. The paper's own equations are unknown.

Letters: B batch, C categories, D tags, F image features, E width of the retrieval space, K width
of the converted space and of the teachers' codes, L bits.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.func import functional_call

from cmir_repro.core.config import Config
from cmir_repro.core.distributed import gather, whole_draws
from cmir_repro.losses import contrastive, crcgs
from cmir_repro.losses import labels as label_losses
from cmir_repro.models.generators import Discriminator, Generator, image_to_text, text_to_image
from cmir_repro.models.image import BACKBONES, build_backbone
from cmir_repro.models.momentum import CategoryMemory
from cmir_repro.models.towers import HashHead, Towers
from cmir_repro.systems.base import Group

STUDENT, DISCRIMINATORS = "student", "discriminators"  # the turns of a batch
# torch's Adam: AdamW without decay; the betas are the released ones.
_ADAM = {"betas": (0.5, 0.999), "weight_decay": 0.0}


class TeacherConfig(Config):
    """The generators; their training is not released, so all but sizes and form is our choice.

    The released class ends in ReLU and is trained on absolute differences (`form` "released").
    On few and rare tags that teaches nearly nothing: the median of a rare tag is 0, and so becomes
    what is generated, with no gradient left. Hence the default, "squared": squared differences and
    no last ReLU.
    """

    form: Literal["squared", "released"] = "squared"

    codes: tuple[int, ...] = (2048, 1024)  # widths of the encoders; the last is K
    text_back: int = Field(2000, ge=1)  # width before the tags, in the image-to-text decoder
    image_back: int = Field(2048, ge=1)  # width before the features, in the other one
    dropout: float = Field(0.3, ge=0, lt=1)
    steps: int = Field(2000, ge=1)
    batch: int = Field(80, ge=3)
    learning_rate: float = Field(1e-4, gt=0)


class CRCGSConfig(Config):
    """Nets and objectives of the student; a weight of 0 takes a term out."""

    image_encoder: Literal[tuple(BACKBONES)] = "features"
    image_weights: str = "none"
    hidden: int = Field(2048, ge=1)
    embed_dim: int = Field(1024, ge=1)  # E
    layers: int = Field(3, ge=1)
    activation: Literal["tanh", "relu"] = "tanh"
    # Base objective: classification (phi), likelihood of shared categories (alpha), invariance
    # (beta); "regression" is DSCMR's ||p - Y||.
    classification: Literal["logistic", "regression"] = "logistic"
    # S of the likelihood: 1 where a category is shared, or how many are (DSCMR's code).
    similarity: Literal["shared", "count"] = "shared"
    phi: float = Field(1.0, ge=0)
    alpha: float = Field(1.0, ge=0)
    beta: float = Field(0.001, ge=0)
    distill: float = Field(0.2, ge=0)
    adversary: float = Field(0.01, ge=0)
    contrast: float = Field(0.03, ge=0)
    support: float = Field(0.001, ge=0)
    # "described": aligned pairs together, unaligned ones apart (InfoNCE); "other categories" does
    # not push apart what shares a category; "released": see losses.crcgs.released_contrast.
    contrast_form: Literal["described", "other categories", "released"] = "described"
    # The released code contrasts the student with the teachers only; its figure draws an arrow
    # between image and text of the student, too.
    contrast_with: Literal["teachers", "students", "both"] = "both"
    # What the noise of the released contrast is divided by: the code passes the number of batches
    # where the number of samples is meant.
    contrast_count: Literal["samples", "batches"] = "samples"
    contrast_temperature: float = Field(0.07, gt=0)
    support_temperature: float = Field(0.07, gt=0)
    memory: int = Field(0, ge=0)  # earlier samples that the support set may use; 0: batch only
    discriminator_steps: int = Field(3, ge=1)  # for one of the student
    discriminator_image: tuple[int, ...] = (2048, 1024, 512)
    discriminator_text: tuple[int, ...] = (512, 64, 32)

    @model_validator(mode="after")
    def _possible(self):
        if not (self.phi or self.alpha or self.contrast or self.support):
            raise ValueError("phi, alpha, contrast and support are all 0: nothing is learnt")
        if self.memory and not self.support:
            raise ValueError("memory is for the support set; set support or take memory out")
        return self

    @property
    def generates(self) -> bool:
        """Whether a teacher is needed."""
        contrasted = self.contrast and self.contrast_with != "students"
        return bool(self.distill or self.adversary or contrasted)


class HashConfig(Config):
    """The second stage: heads on the frozen student, one for each number of bits."""

    bits: tuple[int, ...] = (16, 32, 64, 128)
    hidden: int = Field(512, ge=1)
    dropout: float = Field(0.3, ge=0, lt=1)
    similarity: float = Field(1.0, ge=0)
    likelihood: float = Field(1.0, ge=0)
    quantisation: float = Field(0.0, ge=0)  # released: off
    steps: int = Field(2000, ge=1)
    batch: int = Field(100, ge=3)
    learning_rate: float = Field(1e-4, gt=0)


class Teachers(nn.Module):
    """Image to text and text to image, trained to reconstruct the other modality.

    Args:
        config: widths. image_dim: F. text_dim: D.
    """

    def __init__(self, config: TeacherConfig, image_dim: int, text_dim: int) -> None:
        super().__init__()
        self.config = config
        how = {"dropout": config.dropout, "last_relu": config.form == "released"}
        self.image_to_text: Generator = image_to_text(
            image_dim, text_dim, config.codes, config.text_back, **how
        )
        self.text_to_image: Generator = text_to_image(
            text_dim, image_dim, config.codes, config.image_back, **how
        )

    def parameter_groups(self, config) -> list[Group]:
        return [(list(self.parameters()), 1.0, _ADAM)]

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of a batch: features (B, F) and text (B, D) float -> "loss" and its parts, ()."""
        apart = F.l1_loss if self.config.form == "released" else F.mse_loss
        with whole_draws():
            made = self.image_to_text(batch["features"]), self.text_to_image(batch["text"])
        text = apart(gather(made[0]), gather(batch["text"]))
        image = apart(gather(made[1]), gather(batch["features"]))
        return {"loss": text + image, "text": text, "image": image}

    @torch.no_grad()
    def codes(self, features: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """The auxiliary generative features f and g, (N, K) each, without dropout."""
        self.eval()
        return self.image_to_text.encode(features), self.text_to_image.encode(text)


class CRCGS(nn.Module):
    """The student, its discriminators and objectives.

    A batch trains the discriminators `discriminator_steps` times and then the student, as long as
    the adversarial term has a weight.

    Args:
        config: what to build.
        shape: of one picture (H, W, 3), or (F,) of ready features.
        text_dim: D. categories: C. rows: samples of the training split. batch: of training.
        teachers: trained, of K = codes[-1]; None where the configuration needs none.
    """

    def __init__(
        self,
        config: CRCGSConfig,
        shape: tuple[int, ...],
        text_dim: int,
        categories: int,
        rows: int,
        batch: int,
        teachers: Teachers | None,
    ) -> None:
        super().__init__()
        self.config = config
        self.batch, self.rows = batch, rows
        # In a list, so that they are no part of this module: they are saved on their own.
        self._teachers = [teachers.eval().requires_grad_(False)] if teachers else []
        convert = teachers.image_to_text.code_dim if teachers else config.embed_dim
        backbone, image_dim = build_backbone(config.image_encoder, config.image_weights, shape)
        self.towers = Towers(
            backbone,
            image_dim,
            text_dim,
            categories,
            config.hidden,
            config.embed_dim,
            convert,
            layers=config.layers,
            activation=config.activation,
        )
        if config.adversary:
            (teachers,) = self._teachers
            features = teachers.text_to_image.out_dim
            self.image_discriminator = Discriminator(features, config.discriminator_image)
            self.text_discriminator = Discriminator(text_dim, config.discriminator_text)
        if config.memory:
            self.memory = CategoryMemory(config.memory, convert, categories)
        terms = ("distill", "adversary", "contrast", "support")
        self.terms = ["base", *(name for name in terms if getattr(config, name))]

    def turns(self, step: int) -> list[str]:
        """See base.AlternatingSystem; the student begins, so the first batch is all its own."""
        if not (self.config.adversary and step):
            return [STUDENT]
        return [DISCRIMINATORS] * self.config.discriminator_steps + [STUDENT]

    def parameter_groups(self, config) -> dict[str, list[Group]]:
        """See base.AlternatingSystem; all at one rate, as released."""
        named = [(name, p) for name, p in self.named_parameters() if p.requires_grad]
        parts = {STUDENT: [p for name, p in named if "_discriminator." not in name]}
        if self.config.adversary:
            parts[DISCRIMINATORS] = [p for name, p in named if "_discriminator." in name]
        return {name: [(parameters, 1.0, _ADAM)] for name, parameters in parts.items()}

    def encode_images(self, images: Tensor) -> Tensor:
        """Image input -> (B, E) float, any length."""
        return self.towers.encode_images(images)

    def encode_texts(self, text: Tensor) -> Tensor:
        """(B, D) float -> (B, E) float, any length."""
        return self.towers.encode_texts(text)

    def forward(
        self, batch: dict[str, Tensor], generator: torch.Generator, turn: str = STUDENT
    ) -> dict[str, Tensor]:
        """The losses of a batch, of the student or of the discriminators.

        Every process encodes its share; losses are those of the whole batch, gathered.

        Args:
            batch: image (B, H, W, 3) uint8 or (B, F) float, text (B, D) float, labels (B, C)
                float; with teachers f and g (B, K) float.

        Returns:
            "loss" and its parts, each () float; of the discriminators "loss" and "discriminator",
            which are one.
        """
        if turn == DISCRIMINATORS:
            loss = self._discrimination(batch)
            return {"loss": loss, "discriminator": loss}
        return self._student(batch)

    def _student(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        c, labels = self.config, gather(batch["labels"])
        batch = batch | {name: gather(batch[name]) for name in ("f", "g") if name in batch}
        with whole_draws():
            u, v = self.encode_images(batch["image"]), self.encode_texts(batch["text"])
        with torch.autocast(u.device.type, enabled=False):  # exp(1 / 0.07) is coarse in 16 bits
            u, v = gather(u.float()), gather(v.float())  # (B, E)
            a, b = self.towers.convert_images(u), self.towers.convert_texts(v)  # (B, K)
            shared = label_losses.share(labels)  # (B, B)
            losses = {"base": self._base(u, v, labels, shared)}
            if c.distill:
                losses["distill"] = crcgs.distillation(a, batch["f"], b, batch["g"])
            if c.adversary:
                losses["adversary"] = self._adversary(a, b)
            if c.contrast:
                losses["contrast"] = self._contrast(a, b, batch, shared)
            if c.support:
                known = self.memory.filled() if c.memory else None
                losses["support"] = crcgs.support_loss(a, b, labels, c.support_temperature, known)
            weighted = [getattr(c, name) * losses[name] for name in self.terms[1:]]
            total = losses["base"] + sum(weighted)
        if c.memory and self.training:
            self.memory.push(a.detach(), b.detach(), labels)
        return {"loss": total, **losses}

    def _base(self, u: Tensor, v: Tensor, labels: Tensor, shared: Tensor) -> Tensor:
        c = self.config
        if c.similarity == "count":
            shared = label_losses.common(labels)
        classify = {
            "logistic": label_losses.classification,
            "regression": label_losses.class_regression,
        }[c.classification]
        classified = classify(self.towers.classify(u), self.towers.classify(v), labels)
        alike = sum(label_losses.likelihood(x, z, shared) for x, z in ((u, u), (u, v), (v, v)))
        return c.phi * classified + c.alpha * alike + c.beta * label_losses.invariance(u, v)

    def _contrast(self, a: Tensor, b: Tensor, batch: dict[str, Tensor], shared: Tensor) -> Tensor:
        """Intra (f, a), (g, b); inter (f, b), (g, a) and, as the figure has it, (a, b)."""
        c, pairs = self.config, []
        if c.contrast_with != "students":
            f, g = batch["f"], batch["g"]
            pairs += [(f, a), (g, b), (f, b), (g, a)]
        if c.contrast_with != "teachers":
            pairs.append((a, b))
        if c.contrast_form == "released":
            count = {"samples": self.rows, "batches": -(-self.rows // self.batch)}
            q = (self.batch - 1) / count[c.contrast_count]
            terms = [
                crcgs.released_contrast(x, z, c.contrast_temperature, q, self.batch)
                for x, z in pairs
            ]
        else:
            spared = shared if c.contrast_form == "other categories" else None
            terms = [contrastive.infonce(x, z, c.contrast_temperature, spared) for x, z in pairs]
        return torch.stack(terms).mean()

    def _adversary(self, a: Tensor, b: Tensor) -> Tensor:
        """What is generated from the student should pass for what the teacher generates."""
        (teachers,) = self._teachers
        images, texts = teachers.text_to_image.decode(b), teachers.image_to_text.decode(a)
        return sum(
            crcgs.adversarial_loss(functional_call(net, _fixed(net), (made,)), teacher=True)
            for net, made in ((self.image_discriminator, images), (self.text_discriminator, texts))
        )

    def _discrimination(self, batch: dict[str, Tensor]) -> Tensor:
        """The discriminators' loss; "real" is what a teacher's own code decodes to, as released."""
        (teachers,) = self._teachers
        with torch.no_grad():
            self.towers.eval()
            a = self.towers.convert_images(gather(self.encode_images(batch["image"])))
            b = self.towers.convert_texts(gather(self.encode_texts(batch["text"])))
            self.towers.train()
            image, text = teachers.text_to_image.decode, teachers.image_to_text.decode
            f, g = gather(batch["f"]), gather(batch["g"])
            made = (image(b), image(g)), (text(a), text(f))
        return (
            sum(
                crcgs.adversarial_loss(net(ours), teacher=False)
                + crcgs.adversarial_loss(net(theirs), teacher=True)
                for net, (ours, theirs) in zip(
                    (self.image_discriminator, self.text_discriminator), made, strict=True
                )
            )
            / 2
        )


class Hasher(nn.Module):
    """A head that turns retrieval features of both modalities into codes."""

    def __init__(self, config: HashConfig, embed_dim: int, bits: int) -> None:
        super().__init__()
        self.config = config
        self.head = HashHead(embed_dim, bits, config.hidden, config.dropout)

    def parameter_groups(self, config) -> list[Group]:
        return [(list(self.parameters()), 1.0, _ADAM)]

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of frozen features u, v (B, E) with labels (B, C): "loss" and its parts, ()."""
        c, u, v = self.config, batch["u"], batch["v"]
        middle = (u + v) / 2
        with whole_draws():
            # (B, L) in (-1, 1)
            h_i, h_t, h_c = (gather(self.head(x)) for x in (u, v, middle))
        middle = gather(middle)
        shared = label_losses.share(gather(batch["labels"]))
        pairs = ((h_i, h_i), (h_i, h_t), (h_t, h_t))
        parts = {
            "similarity": label_losses.hash_similarity(middle, h_c),
            "likelihood": sum(label_losses.likelihood(x, z, shared) for x, z in pairs),
            "quantisation": label_losses.quantisation(h_c),
        }
        return {"loss": sum(getattr(c, name) * value for name, value in parts.items()), **parts}


def _fixed(module: nn.Module) -> dict[str, Tensor]:
    """Its weights, through which gradients pass and to which none go."""
    return {name: p.detach() for name, p in module.named_parameters()}


# What the released code computes, where it differs from what the abstract describes.
RELEASED = {
    "contrast_form": "released",
    "contrast_with": "teachers",
    "contrast_count": "batches",
    "memory": 0,
}

"""Saved models of `transformers` as makers of features: CLIP, SigLIP, BLIP, DINOv2, BERT.

What is taken, vectors and grids, B rows at a time:

    images  vector  get_image_features where the model has two towers, else the pooled output
            grid    the vision tower's last states without class and register tokens, (C, H, W)
    texts   vector  get_text_features, else the state of the first token
            grid    the text tower's last states, (L, C), and how many are tokens of the text

Nothing is downloaded, no code of a folder is run, and weights are safetensors.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cmir_repro.core.errors import InputError
from cmir_repro.core.weights import from_disk

if TYPE_CHECKING:
    from PIL import Image

LONGEST = 512  # tokens, where neither tokeniser nor model says: BERT's
# Trained on texts padded to their longest, padding attended to.
PADDED = ("siglip", "siglip2")


class Pretrained:
    """A model in evaluation mode, with what prepares its input.

    Args:
        folder: of a saved model, its processor or tokeniser beside it.
        device: "cpu" or "cuda".
        texts: whether it shall read texts; else images; kept as `reads_texts`.

    Raises:
        InputError: the folder lacks a part, or the model does not read this.
    """

    def __init__(self, folder: str, device: str, texts: bool) -> None:
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

        kind = AutoTokenizer if texts else AutoImageProcessor
        self.reads = from_disk(kind, folder, trust_remote_code=False)
        self.net = from_disk(AutoModel, folder, trust_remote_code=False, use_safetensors=True)
        self.net = self.net.to(device).eval()
        self.device, self.folder, config = device, folder, self.net.config
        self.reads_texts = texts
        self.two_towers = hasattr(self.net, "get_text_features")
        tower = "text_model" if texts else "vision_model"
        self.tower = getattr(self.net, tower, self.net)
        if texts:
            limit = getattr(getattr(config, "text_config", config), "max_position_embeddings", None)
            self.limit = min(self.reads.model_max_length, limit or LONGEST)
        if not self.two_towers and texts == (self.net.main_input_name == "pixel_values"):
            raise InputError(
                f"{folder} holds a {config.model_type}, which reads no "
                f"{'texts' if texts else 'images'}; name another model"
            )

    @property
    def name(self) -> str:
        """The kind of model: "clip"."""
        return self.net.config.model_type

    @torch.no_grad()
    def images(self, pictures: Sequence["Image.Image"], grid: bool) -> np.ndarray:
        """B RGB pictures -> (B, D) or (B, C, H, W) float32."""
        pixels = self.reads(images=list(pictures), return_tensors="pt")["pixel_values"]
        pixels = pixels.to(self.device)
        if grid:
            return self._map(self.tower(pixel_values=pixels).last_hidden_state, pixels)
        if self.two_towers:
            return _array(_pooled(self.net.get_image_features(pixel_values=pixels)))
        return _array(_pooled(self.net(pixel_values=pixels)))

    def longest(self, texts: Sequence[str]) -> int:
        """L: tokens of the longest of some texts, at most as many as the model reads."""
        if self.name in PADDED:
            return self.limit
        found = self.reads(list(texts), truncation=True, max_length=self.limit)["input_ids"]
        return max(map(len, found))

    @torch.no_grad()
    def texts(
        self, texts: Sequence[str], grid: bool, longest: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """B texts -> (B, D) or (B, L, C) float32, and their tokens (B,) int64.

        Args:
            longest: L, as `longest` gives it.
        """
        coded = self.reads(
            list(texts), padding="max_length", truncation=True, max_length=longest,
            return_attention_mask=True, return_tensors="pt",
        )  # fmt: skip
        mask = coded["attention_mask"].to(self.device)
        inputs = {"input_ids": coded["input_ids"].to(self.device)}
        if self.name not in PADDED:
            inputs["attention_mask"] = mask
        if grid:
            found = self.tower(**inputs).last_hidden_state
        elif self.two_towers:
            found = _pooled(self.net.get_text_features(**inputs))
        else:
            found = self.net(**inputs).last_hidden_state[:, 0]
        return _array(found), mask.sum(1).cpu().numpy().astype(np.int64)

    def _map(self, states: Tensor, pixels: Tensor) -> np.ndarray:
        """(B, tokens, C) -> (B, C, h, w), the last h w tokens; a map stays as it is."""
        if states.ndim == 4:
            return _array(states)
        config = self.net.config
        patch = getattr(getattr(config, "vision_config", config), "patch_size", None)
        h, w = (side // patch for side in pixels.shape[2:]) if isinstance(patch, int) else (0, 0)
        if not 0 < h * w <= states.shape[1]:
            raise InputError(
                f"{self.folder} holds a {self.name}, whose {states.shape[1]} states are no grid of "
                "patches; leave out --grid"
            )
        places = states[:, states.shape[1] - h * w :].transpose(1, 2)
        return _array(places.unflatten(2, (h, w)))


def _pooled(found: object) -> Tensor:
    """The vectors (B, D) of what a model gives."""
    if isinstance(found, Tensor):
        return found
    pooled = getattr(found, "pooler_output", None)
    if pooled is None:
        return found.last_hidden_state[:, 0]
    return pooled.flatten(1)  # of a convolutional net (B, D, 1, 1)


def _array(found: Tensor) -> np.ndarray:
    return found.float().cpu().numpy()

"""Pictures, words and answers as HTML that JupyterLab, voila and a saved notebook show alike."""

import base64
import io
from collections.abc import Callable, Sequence
from html import escape

import numpy as np
from PIL import Image

from cmir_repro.play.answers import Answer

RIGHT, WRONG, NEUTRAL = "#0b7a4b", "#b3432b", "#8a8a8a"
# Pixels of a picture on the screen: those of the scenes at mini and a frame, so none is scaled.
WIDTH = 96


def uri(picture: np.ndarray) -> str:
    """Pixels (h, w, 3) uint8 as the address of a JPEG, a third of a PNG and as sharp to the eye."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=92, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def image(address: str, alt: str, color: str = NEUTRAL, width: int = WIDTH) -> str:
    """A picture with a frame."""
    style = f"width:{width}px;max-width:100%;box-sizing:border-box;display:block;margin:0 auto"
    style += f";border:3px solid {color};border-radius:4px"
    return f'<img src="{address}" alt="{escape(alt)}" title="{escape(alt)}" style="{style}">'


def words(text: str, known: Callable[[str], bool]) -> str:
    """A sentence, with the words that a model does not know struck out."""
    said = [
        escape(word)
        if known(word)
        else f'<s title="unknown to the models" style="color:{WRONG}">{escape(word)}</s>'
        for word in text.split()
    ]
    return " ".join(said)


def paragraph(text: str, muted: bool = False) -> str:
    """A line of prose; `text` is HTML."""
    style = "margin:2px 0;line-height:1.4" + (";opacity:.75" if muted else "")
    return f'<p style="{style}">{text}</p>'


def captioned(picture: str, text: str) -> str:
    """A picture below a caption; both are HTML."""
    return f'<td style="padding:2px 6px;vertical-align:top">{text}<br>{picture}</td>'


def answers(found: Sequence[Answer], show: Callable[[int], tuple[str, str]]) -> str:
    """A row a model: name, rank and time, then its first answers, right ones framed in green.

    Args:
        show: of a row of the gallery: the address of its picture, and the picture in words.
    """
    rows = []
    for answer in found:
        marks = [None] * len(answer.rows) if answer.right is None else answer.right
        style = "padding:2px;text-align:center;vertical-align:top"
        cells = [
            f'<td style="{style}">{_answer(*show(int(row)), mark)}</td>'
            for row, mark in zip(answer.rows, marks, strict=True)
        ]
        head = f'<th style="text-align:left;padding:2px 0;width:132px">{head_of(answer)}</th>'
        rows.append(f'<tr data-model="{escape(answer.model)}">{head}{"".join(cells)}</tr>')
    style = "border-collapse:collapse;table-layout:fixed;width:100%;max-width:940px"
    return f'<table class="cmir-answers" style="{style}">{"".join(rows)}</table>'


def head_of(answer: Answer) -> str:
    """A model's name, the rank of the target, and its time."""
    if answer.right is None:
        rank = ""
    elif answer.rank is None:
        rank = "no right answer"
    else:
        rank = f"target at rank <b>{answer.rank}</b>"
    told = f"<b>{escape(answer.model)}</b><br>{rank}{'<br>' if rank else ''}"
    told += f'<span class="cmir-ms" style="opacity:.75">{answer.milliseconds:.0f} ms</span>'
    return f'<div style="font-weight:normal;line-height:1.35;white-space:nowrap">{told}</div>'


def _answer(address: str, alt: str, right: bool | None) -> str:
    color = NEUTRAL if right is None else RIGHT if right else WRONG
    mark = "" if right is None else "✓ right" if right else "✗"
    said = "" if right is None else "right: " if right else "wrong: "
    kind = "" if right is None else "right" if right else "wrong"
    return (
        f'<div class="cmir-{kind or "open"}">{image(address, said + alt, color)}'
        f'<span style="color:{color};font-size:12px">{mark or "&nbsp;"}</span></div>'
    )

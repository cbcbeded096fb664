"""Which command scores a protocol in full; the others refuse it by name."""

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.protocol import ALIASES, PRESETS, Protocol, preset

# Module of evaluation -> the command that scores feature files by it.
SCORERS = {
    "recall": "cmir score",
    "fashioniq_cirr": "cmir score-triplets",
    "image_text": "cmir score-images-sentences",
    "labels": "cmir score-labels",
    "judged": "cmir score-judged",
    "diagnosis": "cmir score-css-x",
}


def check_scorer(protocol: Protocol, scorer: str) -> None:
    """Refuse a protocol that a key of SCORERS does not implement in full.

    What leaves out a part of a protocol measures something else, and has no right to its name.

    Raises:
        InputError: another scores it; the message names that one's command.
    """
    if protocol.scorer != scorer:
        raise InputError(
            f"{protocol.name} is not scored by `{SCORERS[scorer]}`, which scores "
            f"{', '.join(names(scorer))}; use `{SCORERS[protocol.scorer]}`"
        )


def preset_of(name: str, scorer: str) -> Protocol:
    """The preset called `name`, which a key of SCORERS implements in full.

    Raises:
        InputError: there is none, and the message lists those of the scorer; or as `check_scorer`.
    """
    if name.partition("[")[0] not in (*PRESETS, *ALIASES):
        one_of("protocol", name, names(scorer))
    found = preset(name)
    check_scorer(found, scorer)
    return found


def names(scorer: str) -> list[str]:
    """The presets that a key of SCORERS implements."""
    return [name for name, protocol in PRESETS.items() if protocol.scorer == scorer]

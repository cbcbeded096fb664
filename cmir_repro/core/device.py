"""Which device to use, and which scale goes with it."""

from cmir_repro.core.errors import InputError, one_of

# "mini" is a taste in minutes, "full" the published counts in small pictures with a small net, both
# for a CPU; "paper" the published pictures and nets, for a GPU.
SCALES = ("mini", "full", "paper")
DEVICES = ("auto", "cpu", "cuda")


def choose(wanted: str | None = None) -> str:
    """Name a device: "cuda" where there is a GPU, else "cpu"; or what is asked for.

    Raises:
        InputError: "cuda" is asked for and there is none, or the name is unknown.
    """
    import torch  # takes seconds; whoever only reads the help waits for nothing

    there = torch.cuda.is_available()
    if not wanted or wanted == "auto":
        return "cuda" if there else "cpu"
    one_of("device", wanted, DEVICES)
    if wanted == "cuda" and not there:
        raise InputError("device 'cuda' was asked for but torch sees no GPU; use 'cpu' or 'auto'")
    return wanted


def scale_for(device: str, wanted: str = "auto") -> str:
    """The scale asked for; "auto" is paper on a GPU and mini without one."""
    one_of("scale", wanted, ("auto", *SCALES))
    if wanted != "auto":
        return wanted
    return "paper" if device == "cuda" else "mini"

"""Configuration that refuses what it does not know, in one line that lists what it does."""

from typing import Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from cmir_repro.core.errors import InputError


class Config(BaseModel):
    """Frozen settings; unknown keys and wrong values are errors. Build one with `make`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def make(cls, /, **values: object) -> Self:
        """Check `values` and return the settings.

        Raises:
            InputError: an unknown key, a wrong value or an impossible combination.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise InputError(_one_line(cls, error)) from error


def _one_line(cls: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        owner = cls
        for part in first["loc"][:-1]:
            owner = _settings_in(owner.model_fields[part].annotation)
        return f"{cls.__name__}: unknown key {key!r}; allowed: {', '.join(owner.model_fields)}"
    if first["type"] == "missing":
        return f"{cls.__name__}: {key!r} is missing"
    if first["type"] == "value_error":
        # Raised by our own validators, already a sentence.
        return f"{cls.__name__}: {first['ctx']['error']}"
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"{cls.__name__}: {key} = {first['input']!r} is not allowed: {message}"


def _settings_in(annotation: object) -> type[BaseModel]:
    """X of the annotations `X` and `X | None`."""
    return next(kind for kind in (*get_args(annotation), annotation) if kind is not type(None))

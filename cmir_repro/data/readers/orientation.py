"""Which axis of an array goes over the images, where its sizes alone do not tell."""

from collections.abc import Sequence

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers.matlab import MatFile

AXES = ("first", "last")  # that go over the images, as h5py or scipy shows the array

Sized = dict[str, tuple[MatFile, str, int]]  # what is stored -> file, array, number of rows
Placed = dict[str, tuple[MatFile, str, int]]  # ... and the axis of `MatFile.shapes` with the rows


def placed(parts: Sequence[Sized], samples: str | None = None) -> list[Placed]:
    """The axis of each array that has the rows.

    HDF5 written by MATLAB shows its rows last, and written by Python first. A square matrix is
    taken to be as the matrices of its file are whose sizes tell, or else those of all files of its
    kind (HDF5 or version 5).

    Args:
        samples: of AXES, for arrays whose sizes do not tell; None: as others are.

    Raises:
        InputError: others differ or do not tell either.
    """
    every = [place for part in parts for place in part.values()]
    told = [(mat, axis) for mat, key, count in every if (axis := _shown(mat, key, count))]
    return [
        {
            what: (mat, key, _axis(mat, key, count, told, samples))
            for what, (mat, key, count) in part.items()
        }
        for part in parts
    ]


def _possible(shape: tuple[int, ...], count: int) -> list[int]:
    """Axes that may have the rows: of pictures the first or the last, next to three colours."""
    axes = [axis for axis, size in enumerate(shape) if size == count]
    if len(shape) == 4 and len(axes) > 1:
        ends = [axis for axis in (0, 3) if axis in axes]
        coloured = [axis for axis in ends if (shape[:axis] + shape[axis + 1 :])[2] == 3]
        return coloured or ends or axes
    return axes


def _shown(mat: MatFile, key: str, count: int) -> str | None:
    """Of AXES, where a matrix whose sizes tell has its rows."""
    axes = _possible(mat.shapes[key], count)
    if len(mat.shapes[key]) != 2 or len(axes) > 1 or 1 in mat.shapes[key]:
        return None
    return AXES[axes[0] != (1 if mat.hdf5 else 0)]


def _axis(
    mat: MatFile, key: str, count: int, told: Sequence[tuple[MatFile, str]], samples: str | None
) -> int:
    axes = _possible(mat.shapes[key], count)
    if len(axes) == 1:
        return axes[0]
    same = {axis for other, axis in told if other is mat}
    alike = same or {axis for other, axis in told if other.hdf5 == mat.hdf5}
    if samples is None and len(alike) != 1:
        raise InputError(
            f"{mat.path}: {key} {mat.shapes[key]} has one size twice, and the other arrays do not "
            f"tell which axis goes over the images; say --samples-axis {' or '.join(AXES)}, as "
            "h5py or scipy shows it"
        )
    first = (samples or alike.pop()) == AXES[0]
    return axes[-1] if first == mat.hdf5 else axes[0]

"""Arrays of numbers in MATLAB's .mat files, version 5 and 7.3 (HDF5), that are not trusted.

The libraries that read them are written in C, and damaged files hang or crash them whatever is
checked before. So a child process reads, by `mat_arrays`, and hands back the arrays.
"""

from pathlib import Path

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers.child import Child


class MatFile:
    """The arrays of numbers of one file; close it, or open it by `with`.

    shapes: name -> shape, in MATLAB's order of axes; HDF5 lists them the other way round.
    hdf5: whether it is of version 7.3.
    named: what may hold lines of text, see `texts`.

    Raises:
        InputError: the file is missing, damaged or no such file, or it is HDF5 and h5py is not
            installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._child = Child(self.path, "cmir_repro.data.readers.mat_arrays:MatArrays")
        shapes, self.named, self.hdf5 = self._child.ask("listed")
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}

    def __enter__(self) -> "MatFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._child.close()

    def first(self, *names: str) -> str:
        """The first of these names that the file has.

        Raises:
            InputError: it has none; the message lists what it has.
        """
        for name in names:
            if name in self.shapes:
                return name
        has = ", ".join(f"{name} {shape}" for name, shape in list(self.shapes.items())[:20])
        raise InputError(
            f"{self.path} has no array of numbers called {' or '.join(names)}; it has: "
            f"{has or 'none'}"
        )

    def take(self, name: str, axis: int = 0, part: slice = slice(None)) -> np.ndarray:
        """A part of an array along an axis of `shapes`, which then comes first.

        The others keep MATLAB's order: of pictures (height, width, 3, N), axis 3 gives
        (n, height, width, 3). Of HDF5 only this part is read, of version 5 all, and kept.

        Args:
            part: of step 1.

        Raises:
            InputError: there is no such array, or it is damaged or too large.
        """
        bounds = (None if n is None else int(n) for n in (part.start, part.stop))
        return self._child.ask("take", self.first(name), axis, *bounds)

    def texts(self, name: str) -> list[str]:
        """Lines of text, a cell array of them or an array of characters, of version 5.

        Raises:
            InputError: there is none of that name, it holds anything else, or the file is HDF5.
        """
        if self.hdf5 or name not in self.named:
            raise InputError(f"{self.path} has no lines of text {name} of version 5")
        return self._child.ask("texts", name)

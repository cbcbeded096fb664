"""Arrays of numbers in MATLAB's .mat files, version 5 and 7.3 (HDF5), that are not trusted.

Only arrays of numbers are read, plain or sparse, and file names in version 5: no objects or
function handles, and of HDF5 no link or piece that lies in another file. Names, types and sizes
are looked at before any value is.
"""

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cmir_repro.core.errors import InputError

if TYPE_CHECKING:
    import h5py

# Our choice. The largest file of the field, NUS-WIDE's pictures, holds 29 GB and is read in pieces.
MAX_WHOLE, MAX_PIECES = 2**33, 2**36  # bytes of a version 5 array; of an HDF5 array
MAX_SPARSE = 2**30  # bytes of a sparse array with its zeros, of which a small file can claim many
HDF5_START = b"\x89HDF\r\n\x1a\n"
_STARTS = (0, 512)  # bytes before it; MATLAB writes 512 of its own
_KINDS = {  # MATLAB's classes of numbers -> bytes of one
    **{f"{sign}int{bits}": bits // 8 for bits in (8, 16, 32, 64) for sign in ("", "u")},
    **{"logical": 1, "single": 4, "double": 8, "sparse": 4},  # sparse ones become float32
}

_TEXTS = ("cell", "char")


class MatFile:
    """The arrays of numbers of one file; close it, or open it by `with`.

    shapes: name -> shape, in MATLAB's order of axes; HDF5 lists them the other way round.
    hdf5: whether it is of version 7.3.
    named: what may hold lines of text, see `texts`.

    Raises:
        InputError: the file is missing or damaged, or it is HDF5 and h5py is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._hdf5, self._whole, self.named = None, {}, []
        self._sparse = set()  # names, of HDF5
        try:
            with self.path.open("rb") as file:
                start = file.read(_STARTS[-1] + len(HDF5_START))
        except OSError as error:
            what = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
            raise InputError(f"{self.path} {what}") from error
        self.shapes = (
            self._open_hdf5()
            if any(start[n:].startswith(HDF5_START) for n in _STARTS)
            else self._list_version_5()
        )

    def __enter__(self) -> "MatFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def hdf5(self) -> bool:
        return self._hdf5 is not None

    def close(self) -> None:
        if self._hdf5 is not None:
            self._hdf5.close()

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

        Raises:
            InputError: there is no such array, or it is damaged or too large.
        """
        shape = self.shapes[self.first(name)]
        try:
            if self._hdf5 is None or name in self._sparse:
                whole = self._read_version_5 if self._hdf5 is None else self._read_sparse
                array = whole(name)[(slice(None),) * axis + (part,)]
            else:
                stored = (slice(None),) * (len(shape) - 1 - axis) + (part,)
                array = self._hdf5[name][stored].T
        except InputError:
            raise
        except Exception as error:  # both libraries raise many kinds for a damaged file
            raise self._damaged(error) from error
        return np.moveaxis(array, axis, 0)

    def texts(self, name: str) -> list[str]:
        """Lines of text, a cell array of them or an array of characters, of version 5.

        Raises:
            InputError: there is none of that name, it holds anything else, or the file is HDF5.
        """
        from scipy.io import loadmat

        if self._hdf5 is not None or name not in self.named:
            raise InputError(f"{self.path} has no lines of text {name} of version 5")
        try:
            found = loadmat(self.path, variable_names=[name], chars_as_strings=True)[name]
        except Exception as error:
            raise self._damaged(error) from error
        out = []
        for cell in found.ravel():
            cell = cell.ravel() if isinstance(cell, np.ndarray) else [cell]
            if len(cell) != 1 or not isinstance(cell[0], str):
                raise InputError(f"{self.path}: {name} holds something that is no line of text")
            out.append(str(cell[0]).strip())
        return out

    def _list_version_5(self) -> dict[str, tuple[int, ...]]:
        from scipy.io import whosmat

        try:
            listed = whosmat(self.path)
        except Exception as error:
            raise self._damaged(error) from error
        found = {name: (tuple(shape), kind) for name, shape, kind in listed}
        self.named = [n for n, (shape, k) in found.items() if k in _TEXTS and prod(shape) < 2**24]
        self._bytes = {n: prod(shape) * _KINDS.get(kind, 0) for n, (shape, kind) in found.items()}
        return {name: shape for name, (shape, kind) in found.items() if kind in _KINDS}

    def _read_version_5(self, name: str) -> np.ndarray:
        from scipy.io import loadmat

        if name not in self._whole:
            self._check_size(name, self._bytes[name], MAX_WHOLE)
            # Nothing else is read: what the file holds besides stays closed.
            array = loadmat(self.path, variable_names=[name])[name]
            if hasattr(array, "toarray"):  # sparse, which the list does not say of logical ones
                self._check_size(name, prod(array.shape) * _KINDS["sparse"], MAX_SPARSE)
                array = _dense(array)
            if array.dtype.kind not in "buif" or array.shape != self.shapes[name]:
                raise InputError(f"{self.path}: {name} is no array of numbers; get the file again")
            self._whole[name] = array
        return self._whole[name]

    def _open_hdf5(self) -> dict[str, tuple[int, ...]]:
        try:
            import h5py
        except ImportError as error:
            raise InputError(
                f"{self.path} is a MATLAB file of version 7.3 (HDF5), and h5py, which reads these, "
                "is not installed: pip install h5py"
            ) from error
        shapes = {}
        try:
            self._hdf5 = h5py.File(self.path, "r")
            for name in self._hdf5:
                link = self._hdf5.get(name, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    continue
                array = self._hdf5[name]
                if "MATLAB_sparse" in array.attrs:
                    rows = int(array.attrs["MATLAB_sparse"])
                    shapes[name] = (rows, self._part(name, "jc").size - 1)
                    self._check_size(name, prod(shapes[name]) * _KINDS["sparse"], MAX_SPARSE)
                    self._sparse.add(name)
                    continue
                plain = isinstance(array, h5py.Dataset) and array.dtype.kind in "buif"
                if not plain or array.shape in ((), None):
                    continue
                if array.is_virtual or array.external or not array.id.get_storage_size():
                    raise InputError(f"{self.path}: {name} holds nothing itself; get it whole")
                self._check_size(name, prod(array.shape) * array.dtype.itemsize, MAX_PIECES)
                shapes[name] = tuple(array.shape[::-1])
        except InputError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise self._damaged(error) from error
        return shapes

    def _read_sparse(self, name: str) -> np.ndarray:
        """MATLAB's group of HDF5: data and ir, a value each, and jc, where each column begins."""
        from scipy.sparse import csc_array

        if name not in self._whole:
            values, rows, starts = (self._part(name, key)[:] for key in ("data", "ir", "jc"))
            indices = (rows.astype(np.int64), starts.astype(np.int64))
            self._whole[name] = _dense(csc_array((values, *indices), self.shapes[name]))
        return self._whole[name]

    def _part(self, name: str, key: str) -> "h5py.Dataset":
        """A vector of a sparse array, which lies in this file."""
        import h5py

        group = self._hdf5[name]
        hard = isinstance(group.get(key, getlink=True), h5py.HardLink)
        if not hard or group[key].is_virtual or group[key].external:
            raise InputError(f"{self.path}: {name} holds nothing itself; get it whole")
        if group[key].ndim != 1 or group[key].dtype.kind not in "buif":
            raise InputError(f"{self.path}: {name}/{key} is no vector of numbers")
        self._check_size(name, group[key].size * group[key].dtype.itemsize, MAX_SPARSE)
        return group[key]

    def _check_size(self, name: str, size: int, most: int) -> None:
        if size > most:
            raise InputError(
                f"{self.path}: {name} would take {size:,} bytes, over {most:,}; is it damaged?"
            )

    def _damaged(self, error: Exception) -> InputError:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        return InputError(
            f"{self.path} is no whole .mat file of version 5 or 7.3 ({reason}); get it again"
        )


def _dense(sparse: object) -> np.ndarray:
    """A sparse array of scipy as float32, once its indices are known to lie within it.

    Raises:
        ValueError: they do not.
    """
    sparse.check_format(full_check=True)  # what it does not check, writes outside of the array
    return sparse.astype(np.float32).toarray()

"""What the child process of `matlab.MatFile` does with a .mat file, version 5 or 7.3 (HDF5).

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

# Our choice: bytes that an array may take besides twice those of its file. Zeros are packed to a
# thousandth, so that a small file can claim far more than memory holds. Of HDF5 pieces are read:
# the tags of NUS-WIDE, which pack well, take 1.57 GB there, and its pictures 29 GB, which do not.
MOST_WHOLE, MOST_PIECES = 3 * 2**27, 3 * 2**29
TIMES = 2
HDF5_START = b"\x89HDF\r\n\x1a\n"
_STARTS = (0, 512)  # bytes before it; MATLAB writes 512 of its own
_KINDS = {  # MATLAB's classes of numbers -> bytes of one
    **{f"{sign}int{bits}": bits // 8 for bits in (8, 16, 32, 64) for sign in ("", "u")},
    **{"logical": 1, "single": 4, "double": 8, "sparse": 4},  # sparse ones become float32
}

_TEXTS = ("cell", "char")


class MatArrays:
    """The arrays of numbers of one file.

    shapes: name -> shape, in MATLAB's order of axes; HDF5 lists them the other way round.
    named: what may hold lines of text, see `texts`.

    Raises:
        InputError: the file is damaged, or it is HDF5 and h5py is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hdf5, self._whole, self.named = None, {}, []
        self._sparse = set()  # names, of HDF5
        with path.open("rb") as file:
            start = file.read(_STARTS[-1] + len(HDF5_START))
        self._size = path.stat().st_size
        self.shapes = (
            self._open_hdf5()
            if any(start[n:].startswith(HDF5_START) for n in _STARTS)
            else self._list_version_5()
        )

    def listed(self) -> tuple[dict[str, tuple[int, ...]], list[str], bool]:
        """`shapes`, `named`, and whether it is of version 7.3."""
        return self.shapes, self.named, self._hdf5 is not None

    def take(self, name: str, axis: int, start: int | None, stop: int | None) -> np.ndarray:
        """As `MatFile.take`, of a name that is there.

        Raises:
            InputError: the array is damaged or too large.
        """
        shape, part = self.shapes[name], slice(start, stop)
        try:
            if self._hdf5 is None or name in self._sparse:
                whole = self._read_version_5 if self._hdf5 is None else self._read_sparse
                array = whole(name)[(slice(None),) * axis + (part,)]
            else:
                stored = (slice(None),) * (len(shape) - 1 - axis) + (part,)
                array = self._hdf5[name][stored].T
        except (InputError, MemoryError):
            raise
        except Exception as error:  # both libraries raise many kinds for a damaged file
            raise self._damaged(error) from error
        return np.moveaxis(array, axis, 0)

    def texts(self, name: str) -> list[str]:
        """As `MatFile.texts`, of a name of `named`."""
        from scipy.io import loadmat

        try:
            found = loadmat(self.path, variable_names=[name], chars_as_strings=True)[name]
        except MemoryError:
            raise
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
        except MemoryError:
            raise
        except Exception as error:
            raise self._damaged(error) from error
        found = {name: (tuple(shape), kind) for name, shape, kind in listed}
        self.named = [n for n, (shape, k) in found.items() if k in _TEXTS and prod(shape) < 2**24]
        self._bytes = {n: prod(shape) * _KINDS.get(kind, 0) for n, (shape, kind) in found.items()}
        if any(size < 0 for shape, _ in found.values() for size in shape):
            raise self._damaged(ValueError("a size is below 0"))
        return {name: shape for name, (shape, kind) in found.items() if kind in _KINDS}

    def _read_version_5(self, name: str) -> np.ndarray:
        from scipy.io import loadmat

        if name not in self._whole:
            self._check_size(name, self._bytes[name], MOST_WHOLE)
            # Nothing else is read: what the file holds besides stays closed.
            array = loadmat(self.path, variable_names=[name])[name]
            if hasattr(array, "toarray"):  # sparse, which the list does not say of logical ones
                self._check_size(name, prod(array.shape) * _KINDS["sparse"], MOST_WHOLE)
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
                    self._check_size(name, prod(shapes[name]) * _KINDS["sparse"], MOST_WHOLE)
                    self._sparse.add(name)
                    continue
                plain = isinstance(array, h5py.Dataset) and array.dtype.kind in "buif"
                if not plain or array.shape in ((), None):
                    continue
                self._check_size(name, prod(array.shape) * array.dtype.itemsize, MOST_PIECES)
                self._check_stored(name, array)
                shapes[name] = tuple(array.shape[::-1])
        except (InputError, MemoryError):
            raise
        except Exception as error:
            raise self._damaged(error) from error
        return shapes

    def _check_stored(self, name: str, array: "h5py.Dataset") -> None:
        """Refuse what lies in other files, or was never written: there HDF5 makes up the values."""
        if array.is_virtual or array.external or not array.id.get_storage_size():
            raise InputError(f"{self.path}: {name} holds nothing itself; get it whole")
        if array.chunks is None:
            there, claimed = array.id.get_storage_size(), array.nbytes
        else:
            there = array.id.get_num_chunks()
            claimed = prod(-(-n // m) for n, m in zip(array.shape, array.chunks, strict=True))
        if there < claimed:
            raise InputError(
                f"{self.path}: {name} holds {there:,} of {claimed:,} parts; get it whole"
            )

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
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise InputError(f"{self.path}: {name} holds nothing itself; get it whole")
        if group[key].ndim != 1 or group[key].dtype.kind not in "buif":
            raise InputError(f"{self.path}: {name}/{key} is no vector of numbers")
        self._check_size(name, group[key].size * group[key].dtype.itemsize, MOST_WHOLE)
        if group[key].size:
            self._check_stored(f"{name}/{key}", group[key])
        return group[key]

    def _check_size(self, name: str, size: int, most: int) -> None:
        most += TIMES * self._size
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

"""Without deep nets: a common space of images and texts by CCA, and its binary codes by ITQ.

Both are linear and fitted once, on pairs alone, without categories: what a trained model must
beat. Letters: N pairs, F image features, D text features, d dimensions of the space, L bits.
"""

from dataclasses import dataclass

import numpy as np

from cmir_repro.core.errors import InputError

# A direction with less than this share of the largest variance holds rounding only.
_NO_VARIANCE = 1e-10
_ROUNDS = 50  # of ITQ


@dataclass(frozen=True)
class CCASpace:
    """Two maps x W + b into one space whose dimensions are in order of correlation.

    image_map: (F, d) and image_shift: (d,); text_map: (D, d) and text_shift: (d,); float32.
    correlations: (d,) float64 in [0, 1], of the two sides on the pairs fitted on, descending.
    """

    image_map: np.ndarray
    image_shift: np.ndarray
    text_map: np.ndarray
    text_shift: np.ndarray
    correlations: np.ndarray

    def images(self, x: np.ndarray) -> np.ndarray:
        """Images in the space: (n, F) numbers -> (n, d) float32; `InputError` for other shapes."""
        x = _matrix(x, "images", np.float32, len(self.image_map))
        return x @ self.image_map + self.image_shift

    def texts(self, t: np.ndarray) -> np.ndarray:
        """Texts in the space: (n, D) numbers -> (n, d) float32; `InputError` for other shapes."""
        t = _matrix(t, "texts", np.float32, len(self.text_map))
        return t @ self.text_map + self.text_shift


@dataclass(frozen=True)
class Rotation:
    """ITQ's map of a space of d dimensions to L numbers whose signs are the code.

    mean: (d,) and map: (d, L), float32. The map is a rotation where d = L; it keeps the first L
    dimensions only where d > L, and all lengths and angles where d < L.
    """

    mean: np.ndarray
    map: np.ndarray

    def codes(self, z: np.ndarray) -> np.ndarray:
        """Codes of points, of either modality: (n, d) numbers -> (n, L) bool; sign(0) is +1, True.

        Raises:
            InputError: another shape, or a value that is not finite.
        """
        return (_matrix(z, "z", np.float32, len(self.mean)) - self.mean) @ self.map >= 0


def fit_cca(image: np.ndarray, text: np.ndarray, dims: int, components: int = 512) -> CCASpace:
    """Canonical correlation analysis (Hotelling 1936) of images and their texts.

    Each side is whitened by PCA, after which CCA is the singular value decomposition of what is
    left between the two: scikit-learn's PLSSVD. That is exact, and one decomposition instead of an
    iteration for each dimension. Where F or D exceeds `components`, PCA keeps that many of it: our
    choice against chance correlations, which are all 1 once the two sides together keep as many
    components as there are pairs. Dimensions are scaled by their correlation, as in the code of
    Gong and Lazebnik, so that the useless ones weigh little in a cosine.

    Args:
        image: (N, F) numbers. text: (N, D) numbers, row by row those of the images; N >= 2.
        dims: d; fewer are returned where one side has fewer independent directions.
        components: most directions kept of a side, those of largest variance.

    Returns:
        The two maps; nothing is random.

    Raises:
        InputError: sides of unequal length, fewer than two pairs, a value that is not finite, a
            side all of whose rows are the same, or dims or components below 1.
    """
    from sklearn.cross_decomposition import PLSSVD  # slow to import

    for name, value in (("dims", dims), ("components", components)):
        if value < 1:
            raise InputError(f"{name} must be a whole number from 1, got {value}")
    image, text = _matrix(image, "image"), _matrix(text, "text")
    if len(image) != len(text) or len(image) < 2:
        raise InputError(
            f"CCA needs as many texts as images, at least 2, got {len(image)} images and "
            f"{len(text)} texts"
        )
    means = image.mean(0), text.mean(0)
    whitening = _whitening(image, "image", components), _whitening(text, "text", components)
    # Centred after the product, which spares a centred copy of the features.
    white = [x @ w - m @ w for x, w, m in zip((image, text), whitening, means, strict=True)]
    pls = PLSSVD(min(dims, *(w.shape[1] for w in white)), scale=False).fit(*white)
    turns = pls.x_weights_, pls.y_weights_
    sides = white[0] @ turns[0], white[1] @ turns[1]
    correlations = np.clip((sides[0] * sides[1]).sum(0) / (len(image) - 1), 0, 1)
    maps = [w @ turn * correlations for w, turn in zip(whitening, turns, strict=True)]
    shifts = [-(m @ w) for m, w in zip(means, maps, strict=True)]
    arrays = (maps[0], shifts[0], maps[1], shifts[1])
    return CCASpace(*(a.astype(np.float32) for a in arrays), correlations)


def fit_itq(z: np.ndarray, bits: int, seed: int) -> Rotation:
    """Iterative quantisation (Gong and Lazebnik, CVPR 2011): the rotation that signs hurt least.

    In turn the codes B = sign(V R) of the rotated points, and the rotation R that brings the points
    V closest to their codes (orthogonal Procrustes): ||B - V R|| never grows. From a random R, 50
    rounds, as in the paper. The paper rotates the images; for retrieval across modalities give the
    points of both, one below the other, and one rotation serves both: our choice. So is the case of
    fewer dimensions than bits, where the rows of R (d, L) are of length one and orthogonal.

    Not by faiss: with the decomposition U S W' of B'V, the rotation step of its ITQMatrix (1.15.1)
    takes U W where the nearest rotation is U W', so its error need not fall at all.

    Args:
        z: (N, d) numbers, the dimensions in descending order of use, as `fit_cca` gives them.
        bits: L. seed: of the rotation that is started from.

    Raises:
        InputError: not a matrix of finite numbers, no rows, or bits below 1.
    """
    z = _matrix(z, "z")
    if bits < 1 or not len(z):
        raise InputError(f"ITQ needs rows and at least one bit, got {len(z)} rows, {bits} bits")
    mean = z.mean(0)
    V = (z - mean)[:, :bits]
    kept = V.shape[1]
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(bits, bits)))[0][:kept]
    for _ in range(_ROUNDS):
        codes = np.where(V @ rotation >= 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(V.T @ codes, full_matrices=False)  # (kept, L)
        rotation = left @ right
    unused = np.zeros((z.shape[1] - kept, bits))
    return Rotation(mean.astype(np.float32), np.concatenate([rotation, unused]).astype(np.float32))


def _whitening(x: np.ndarray, name: str, components: int) -> np.ndarray:
    """(columns, kept): centred rows times this have unit covariance."""
    from sklearn.decomposition import PCA

    N, columns = x.shape
    if not np.ptp(x, axis=0).any():
        raise InputError(f"{name}: all rows are the same, so nothing correlates with them")
    # Through the covariance the time does not grow with N squared; without it, not with columns
    # cubed. Both are exact.
    solver = "covariance_eigh" if columns <= N else "full"
    pca = PCA(min(components, columns, N - 1), svd_solver=solver).fit(x)
    variance = pca.explained_variance_
    kept = variance > variance[0] * _NO_VARIANCE
    return (pca.components_[kept] / np.sqrt(variance[kept])[:, None]).T


def _matrix(x: np.ndarray, name: str, dtype=np.float64, columns: int | None = None) -> np.ndarray:
    """`x` as a matrix of finite numbers, (n, columns) of `dtype`."""
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[1] == 0 or columns not in (None, x.shape[1]):
        wanted = "columns" if columns is None else columns
        raise InputError(f"{name}: must be an array (rows, {wanted}), got {x.shape}")
    if x.dtype.kind not in "fiub":
        raise InputError(f"{name}: must hold real numbers, got {x.dtype}")
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        raise InputError(f"{name}: row {bad.argmax()} holds NaN or infinity")
    return x.astype(dtype, copy=False)

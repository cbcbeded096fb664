"""The formats of picture files that are read, the same everywhere, and what other content is."""

# What Pillow calls them -> endings of their files. The other formats Pillow knows are refused:
# some of them start programs. The content decides, an ending only finds the file.
READ = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
}
FORMATS = tuple(READ)
# A picture that is named without one may have any of them.
SUFFIXES = (".jpg", ".png", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")
LISTED = "JPEG, PNG, WebP, TIFF, BMP and GIF"

# (Where, the bytes there, what such a file is.)
_SIGNS = (
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftyp", "a video"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"%PDF", "PDF"),
    (0, b"\x00\x00\x01\x00", "ICO"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x89HDF", "HDF5"),
    (128, b"DICM", "DICOM"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, without the picture itself"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"DDS ", "DDS"),
    # What is read, but is broken off or damaged where it begins.
    (0, b"\x89PNG", "a damaged PNG"),
    (0, b"\xff\xd8", "a damaged JPEG"),
    (8, b"WEBP", "a damaged WebP"),
    (0, b"II*\x00", "a damaged TIFF"),
    (0, b"MM\x00*", "a damaged TIFF"),
    (0, b"GIF8", "a damaged GIF"),
    (0, b"BM", "a damaged BMP"),
)
_TEXTS = ((b"<svg", "SVG"), (b"<html", "an HTML page"), (b"<!doctype", "an HTML page"))


def content(data: bytes) -> str:
    """What a file that is no picture of FORMATS holds, in words, by how it begins."""
    if not data.strip(b"\0"):
        return "nothing but zeros" if data else "nothing"
    for place, sign, name in _SIGNS:
        if data[place : place + len(sign)] == sign:
            return name
    if data[:1] == b"P" and data[1:2] in b"1234567f" and data[2:3].isspace():
        return "PNM"
    start = data[:1000].lower()
    for sign, name in _TEXTS:
        if sign in start:
            return name
    try:
        start.decode("ascii")
    except UnicodeDecodeError:
        return f"bytes of no known format ({data[:4].hex(' ')} ...)"
    return "text"

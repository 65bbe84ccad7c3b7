"""Loads packaged data for pre-training where a task has no public split. Nothing is downloaded.

Images are 28x28, float32, standardised like those of a task.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from harness.core.seeds import stream
from harness.core.types import Examples, Float32, Int64
from harness.run.tasks.settings import Source

SIZE, INNER = 28, 20
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral", "cmr10", "cmss10", "cmtt10", "cmb10", "cmti10")
_VARIANTS = 8


def load_public(source: Source) -> Examples:
    """The examples of a source; ``public`` is a split of the task's own and not known here."""
    return {"digits": scaled_digits, "letters": drawn_letters}[source]()


def standardised(images: Float32, of: Int64 | slice = slice(None)) -> Float32:
    """Images with mean 0 and deviation 1 per channel, as (n, channels, height, width).

    Args:
        images: float32, shape (n, height, width) or (n, height, width, channels).
        of: the images that mean and deviation are taken over; by default all.

    Raises:
        ValueError: the images have another number of dimensions.
    """
    if images.ndim not in (3, 4):
        raise ValueError(f"images have shape (n, height, width) or (n, height, width, channels), got {images.shape}")
    channels_first = images[:, None] if images.ndim == 3 else np.moveaxis(images, -1, 1)
    mean = channels_first[of].mean(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    deviation = channels_first[of].std(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    scaled = (channels_first - mean) / np.where(deviation > 0, deviation, 1.0)
    return np.ascontiguousarray(scaled, dtype=np.float32)


def scaled_digits() -> Examples:
    """scikit-learn's 1,797 scans, 8x8, scaled to 20x20 in a frame of 28x28 as MNIST's are; labels 0 to 9."""
    from PIL import Image
    from sklearn.datasets import load_digits

    scans, labels = load_digits(return_X_y=True)
    images = np.zeros((len(labels), SIZE, SIZE), dtype=np.float32)
    margin = (SIZE - INNER) // 2
    for image, scan in zip(images, scans.reshape(-1, 8, 8).astype(np.float32) / 16.0, strict=True):
        scaled = Image.fromarray(scan).resize((INNER, INNER), Image.Resampling.BICUBIC)
        image[margin:-margin, margin:-margin] = np.clip(np.asarray(scaled), 0, 1)
    return Examples(standardised(images), labels.astype(np.int64))


def drawn_letters() -> Examples:
    """Capital letters in the text fonts that matplotlib carries, each drawn with several sizes, angles and shifts.

    Labels 0 to 25 mean other things than a task's labels: the last layer learnt here is of no use there.
    """
    from PIL import Image, ImageDraw, ImageFont

    rng = stream(0, "letters")
    images, labels = [], []
    for font_file in font_files():
        for label, letter in enumerate(LETTERS):
            for _ in range(_VARIANTS):
                canvas = Image.new("L", (2 * SIZE, 2 * SIZE))
                font = ImageFont.truetype(str(font_file), int(rng.integers(18, 25)))
                ImageDraw.Draw(canvas).text((SIZE, SIZE), letter, fill=255, font=font, anchor="mm")
                turned = canvas.rotate(float(rng.uniform(-15, 15)), resample=Image.Resampling.BILINEAR)
                left, top = (int(SIZE / 2 + shift) for shift in rng.integers(-2, 3, size=2))
                images.append(np.asarray(turned.crop((left, top, left + SIZE, top + SIZE)), dtype=np.float32) / 255)
                labels.append(label)
    return Examples(standardised(np.stack(images)), np.array(labels, dtype=np.int64))


def font_files() -> list[Path]:
    """The text fonts inside matplotlib, upright and slanted, light and bold; matplotlib itself is not imported."""
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("matplotlib is not installed")
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"
    names = sorted(path for path in folder.glob("*.ttf") if path.stem.startswith(_FONTS))
    return [path for path in names if "Display" not in path.stem]

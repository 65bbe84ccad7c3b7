"""From 8-bit pixels to what a model sees, against NumPy and Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image

from harness.core.errors import UsageError
from harness.run.tasks.preprocess import Preprocess, preprocess_of
from harness.run.tasks.settings import Input

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 3, 12, 12), dtype=np.uint8)
FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def seen(settings: Input, model: str = "cnn", pixels: np.ndarray = PIXELS) -> np.ndarray:
    images = torch.from_numpy(pixels)
    values: np.ndarray = preprocess_of(settings, model, images)(images).numpy()
    return values


def test_values_are_scaled_shifted_and_divided_by_channel() -> None:
    mean, std = (0.5, 0.25, 0.125), (0.5, 2.0, 0.25)
    expected = (PIXELS / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    found = seen(Input(mean=mean, std=std))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_efficientnet_lite_has_a_convention_of_its_own() -> None:
    """(x - 127) / 128, as its weights were trained."""
    np.testing.assert_allclose(seen(Input(), "efficientnet_lite0"), (PIXELS.astype(float) - 127) / 128, atol=1e-6)


def test_what_is_said_goes_before_a_convention() -> None:
    found = seen(Input(mean=(0.0,) * 3, std=(1.0,) * 3), "efficientnet_lite0")
    np.testing.assert_allclose(found, PIXELS / 255, rtol=0, atol=1e-6)


def test_other_models_see_the_training_images_with_mean_0_and_deviation_1() -> None:
    found = seen(Input())
    assert np.allclose(found.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    assert np.allclose(found.std(axis=(0, 2, 3)), 1, atol=1e-6)


def test_moments_are_those_of_the_training_images_whatever_is_shown() -> None:
    images = torch.from_numpy(PIXELS)
    expected = (PIXELS[:1] / 255 - PIXELS.mean((0, 2, 3), keepdims=True) / 255) / (
        PIXELS.std((0, 2, 3), keepdims=True) / 255
    )
    np.testing.assert_allclose(preprocess_of(Input(), "cnn", images)(images[:1]).numpy(), expected, atol=1e-5)


def test_a_channel_without_contrast_becomes_0() -> None:
    pixels = PIXELS.copy()
    pixels[:, 1] = 77
    found = seen(Input(), pixels=pixels)
    assert np.isfinite(found).all() and not found[:, 1].any()


@pytest.mark.parametrize("resize", ["bilinear", "bicubic"])
@pytest.mark.parametrize("side", [8, 12, 30])
def test_resizing_is_that_of_pillow(resize: str, side: int) -> None:
    """Smaller as well as larger; on float images, so that nothing is rounded to 8 bits in between."""
    found = seen(Input(pixels=side, resize=resize, mean=(0.0,) * 3, std=(1.0,) * 3))  # type: ignore[arg-type]
    for image, values in zip(PIXELS, found, strict=True):
        for plane, resized in zip(image, values, strict=True):
            whole = Image.fromarray(plane.astype(np.float32) / 255, mode="F")
            np.testing.assert_allclose(resized, whole.resize((side, side), FILTERS[resize]), rtol=0, atol=2e-5)


def test_nearest_repeats_pixels() -> None:
    found = seen(Input(pixels=24, resize="nearest", mean=(0.0,) * 3, std=(1.0,) * 3))
    np.testing.assert_allclose(found, PIXELS.repeat(2, axis=2).repeat(2, axis=3) / 255, rtol=0, atol=1e-6)


def test_images_that_are_no_squares_become_squares() -> None:
    assert seen(Input(pixels=10), pixels=PIXELS[:, :, :, :9]).shape == (5, 3, 10, 10)
    assert seen(Input(), pixels=PIXELS[:, :, :, :9]).shape == (5, 3, 12, 9)


def test_grey_images_have_one_channel_of_everything() -> None:
    grey = PIXELS[:, :1]
    np.testing.assert_allclose(seen(Input(), "efficientnet_lite0", grey), (grey.astype(float) - 127) / 128, atol=1e-6)


def test_another_number_of_channels_is_one_clear_line() -> None:
    with pytest.raises(UsageError) as caught:
        seen(Input(mean=(0.5,), std=(0.5,)))
    assert str(caught.value) == "task.input: mean and std have 1 values, and the images 3 channels"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"pixels": 7}, "pixels must be 8 to 1024"),
        ({"mean": (0.5,)}, "mean and std go together"),
        ({"mean": (0.5,), "std": (0.0,)}, "std needs values above 0"),
        ({"mean": (0.5,), "std": (1.0, 1.0)}, "mean has 1 channels and std 2"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}"):
        Input(**settings)  # type: ignore[arg-type]


def test_the_images_stay_as_they_are() -> None:
    images = torch.from_numpy(PIXELS.copy())
    Preprocess(Input(pixels=8), (0.5,) * 3, (0.5,) * 3)(images)
    assert np.array_equal(images.numpy(), PIXELS)

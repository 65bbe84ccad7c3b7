"""EfficientNet-Lite0 with its ImageNet weights: real photographs are recognised, and shapes are those of the source."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import skimage
import sklearn.datasets
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from harness.run.tasks.efficientnet_lite import STAGES, Block, EfficientNetLite0, SameConv2d, imagenet_weights

SCIKIT_IMAGE = Path(skimage.__file__).parent / "data"
SCIKIT_LEARN = Path(sklearn.datasets.__file__).parent / "images"


@pytest.fixture(scope="module")
def pretrained() -> EfficientNetLite0:
    """The network with ImageNet's labels and weights."""
    module = EfficientNetLite0(1000)
    module.load_state_dict(imagenet_weights(), strict=True)
    return module.eval()


def photograph(path: Path) -> torch.Tensor:
    """The centre of a photograph as the weights were trained to see it: 224 of 256 pixels, bicubic, (x - 127) / 128."""
    image = Image.open(path).convert("RGB")
    side = round(min(image.size) * 224 / 256)
    left, top = ((length - side) // 2 for length in image.size)
    seen = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
    return torch.from_numpy((np.asarray(seen, dtype=np.float32) - 127) / 128).permute(2, 0, 1)[None]


def test_the_weights_are_those_of_the_module_by_name_and_shape() -> None:
    theirs = {name: tuple(tensor.shape) for name, tensor in imagenet_weights().items()}
    assert theirs == {name: tuple(tensor.shape) for name, tensor in EfficientNetLite0(1000).state_dict().items()}


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        (SCIKIT_IMAGE / "chelsea.png", {281, 282, 285}),  # tabby, tiger cat, Egyptian cat
        (SCIKIT_IMAGE / "coffee.png", {967}),  # espresso
        (SCIKIT_IMAGE / "rocket.jpg", {657}),  # missile
        (SCIKIT_IMAGE / "motorcycle_left.png", {665}),  # moped
        (SCIKIT_IMAGE / "camera.png", {872}),  # tripod
        (SCIKIT_LEARN / "flower.jpg", {985}),  # daisy
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_real_photographs_are_recognised(pretrained: EfficientNetLite0, path: Path, labels: set[int]) -> None:
    """Labels are those of ImageNet's 1,000, in its order."""
    with torch.inference_mode():
        assert int(pretrained(photograph(path)).argmax()) in labels


def test_what_is_nearly_right_comes_next(pretrained: EfficientNetLite0) -> None:
    """The three cats stand before everything else, and a motor scooter among five that a moped may be."""
    with torch.inference_mode():
        cats = pretrained(photograph(SCIKIT_IMAGE / "chelsea.png"))[0].topk(3).indices.tolist()
        motorcycles = pretrained(photograph(SCIKIT_IMAGE / "motorcycle_left.png"))[0].topk(5).indices.tolist()
    assert set(cats) == {281, 282, 285}
    assert 670 in motorcycles


@pytest.mark.parametrize(("n_classes", "expected"), [(1000, 4_652_008), (100, 3_499_108)])
def test_parameters_are_counted(n_classes: int, expected: int) -> None:
    assert sum(parameter.numel() for parameter in EfficientNetLite0(n_classes).parameters()) == expected


@pytest.mark.parametrize("side", [32, 33, 47, 64, 65])
def test_any_size_of_image_gives_logits(side: int) -> None:
    """Five of the stages halve, odd sides rounded up: 33 -> 17 -> 9 -> 5 -> 3 -> 2."""
    network = EfficientNetLite0(7).eval()
    images = torch.zeros(2, 3, side, side + 3)
    with torch.inference_mode():
        sides = [images.shape[2:]]
        for stage in network.stages()[:-2]:
            images = stage.run(images)
            sides.append(images.shape[2:])
        assert network(torch.zeros(2, 3, side, side + 3)).shape == (2, 7)
    for before, after in pairwise(sides):
        assert after in (before, torch.Size(-(-length // 2) for length in before))
    assert sides[-1] == torch.Size(-(-length // 32) for length in (side, side + 3))


def test_stages_one_after_the_other_are_the_network(pretrained: EfficientNetLite0) -> None:
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 40, 40)).astype(np.float32))
    with torch.inference_mode():
        values = images
        for stage in pretrained.stages():
            values = stage.run(values)
        assert torch.equal(values, pretrained(images))


def test_every_parameter_and_buffer_belongs_to_one_stage(pretrained: EfficientNetLite0) -> None:
    of_stages = [
        id(tensor)
        for stage in pretrained.stages()
        for module in stage.modules
        for tensor in module.state_dict(keep_vars=True).values()
    ]
    assert sorted(of_stages) == sorted(id(tensor) for tensor in pretrained.state_dict(keep_vars=True).values())
    assert sum(stage.is_block for stage in pretrained.stages()) == sum(repeats for repeats, *_ in STAGES) == 16


@pytest.mark.parametrize(
    ("kernel", "stride", "side"), [(3, 2, 8), (3, 2, 7), (5, 2, 8), (5, 1, 6), (1, 1, 5), (5, 2, 3)]
)
def test_padding_is_heavier_on_the_right_and_at_the_bottom(kernel: int, stride: int, side: int) -> None:
    """TensorFlow's SAME: what is missing for ceil(side / stride) outputs, the odd pixel behind."""
    torch.manual_seed(0)
    convolution = SameConv2d(2, 3, kernel, stride)
    images = torch.randn(1, 2, side, side)
    missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    before, behind = missing // 2, missing - missing // 2
    padded = functional.pad(images, (before, behind, before, behind))
    expected = functional.conv2d(padded, convolution.weight, stride=stride)
    assert expected.shape[2] == -(-side // stride)
    torch.testing.assert_close(convolution(images), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("n_out", "stride", "adds"), [(4, 1, True), (5, 1, False), (4, 2, False)])
def test_a_block_adds_its_input_where_the_shape_stays(n_out: int, stride: int, adds: bool) -> None:
    """With every weight of the projection 0, nothing but what went in can come out."""
    images = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    block = Block(3, stride, 6, 4, n_out).eval()
    nn.init.zeros_(block._project_conv.weight)
    found = block(images)
    assert torch.equal(found, images if adds else torch.zeros_like(found))
    assert found.shape == (2, n_out, 6 // stride, 6 // stride)

"""What of a network is trained: counted, closed to everything else, and the same function as before."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from harness.run.tasks.efficientnet_lite import EfficientNetLite0, imagenet_weights
from harness.run.tasks.local_training import FlatModel, LocalTraining
from harness.run.tasks.models import Mlp
from harness.run.tasks.settings import Trained
from harness.run.tasks.trainable import LowRank, Trainable, cut, whole

HEAD = "_fc"
N_LABELS = 100
EVERY = (
    Trained(),
    Trained(blocks=5),
    Trained("norm_and_bias"),
    Trained("norm_and_bias", blocks=2),
    Trained("lora", rank=2),
    Trained("lora", blocks=2, rank=2),
    Trained("head"),
)
"""Every kind, on the whole network and on its last blocks."""


@cache
def without_head() -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in imagenet_weights().items() if not name.startswith(HEAD)}


def lite0() -> EfficientNetLite0:
    """With the weights of ImageNet and a new head: gradients are large enough to move every entry."""
    torch.manual_seed(0)
    module = EfficientNetLite0(N_LABELS)
    module.load_state_dict(without_head(), strict=False)
    return module


def marked(trained: Trained) -> Trainable:
    return cut(lite0(), trained, HEAD)


def images(n: int = 6, side: int = 32) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(n, 3, side, side)).astype(np.float32))


def label(n: int = 6) -> torch.Tensor:
    return torch.arange(n)


def fitted(network: Trainable, n_steps: int = 2) -> FlatModel:
    flat = FlatModel(network)
    with torch.inference_mode():
        network.module.eval()
        seen = network.activations(images()).clone()
    flat.fit(seen.clone(), label(), LocalTraining(1, 3, 0.1, local_steps=n_steps), seed=0)
    return flat


@pytest.mark.parametrize(
    ("trained", "n_trained", "n_statistics"),
    [
        (Trained(), 3_499_108, 42_016),
        # Five blocks of 192 and 320 channels, features and last layer.
        (Trained(blocks=5), 2_798_340, 25_856),
        # 1,280 features by 100 labels, and their biases.
        (Trained("head"), 128_100, 0),
        # A scale and a shift for each of the 21,008 channels that are normalised: 42,016, and the last layer.
        (Trained("norm_and_bias"), 42_016 + 128_100, 42_016),
    ],
)
def test_what_is_opened_is_counted(trained: Trained, n_trained: int, n_statistics: int) -> None:
    network = marked(trained)
    assert sum(parameter.numel() for _, parameter in network.parameters()) == n_trained
    assert sum(buffer.numel() for _, buffer in network.statistics()) == n_statistics


def test_low_rank_additions_are_counted() -> None:
    """Rank r adds r (inputs + outputs) to each ungrouped convolution; in the last block 192 -> 1152 and 1152 -> 320.

    Behind it, features of 320 -> 1280, and the last layer itself.
    """
    network = marked(Trained("lora", blocks=1, rank=3))
    by_hand = 3 * ((192 + 1152) + (1152 + 320) + (320 + 1280)) + 128_100
    assert sum(parameter.numel() for _, parameter in network.parameters()) == by_hand
    assert network.statistics() == []


def test_norms_and_biases_are_nothing_else() -> None:
    names = {name for name, _ in marked(Trained("norm_and_bias", blocks=1)).parameters()}
    assert names == {
        *(f"_blocks.15._bn{number}.{kind}" for number in (0, 1, 2) for kind in ("weight", "bias")),
        "_bn1.weight",
        "_bn1.bias",
        "_fc.weight",
        "_fc.bias",
    }


@pytest.mark.parametrize("trained", EVERY, ids=repr)
def test_training_moves_what_is_open_and_nothing_else(trained: Trained) -> None:
    """Parameters and buffers, bit by bit; running means and variances of closed layers too."""
    network = marked(trained)
    travelling = {name for name, _ in (*network.parameters(), *network.statistics())}
    before = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
    fitted(network)
    moved = {name for name, tensor in network.module.state_dict().items() if not torch.equal(tensor, before[name])}
    counters = {name for name in moved if name.endswith("num_batches_tracked")}
    assert moved - counters == travelling
    assert all(name.rpartition(".")[0] + ".running_mean" in travelling for name in counters)


@pytest.mark.parametrize("trained", EVERY, ids=repr)
def test_what_travels_and_what_is_given_once_are_the_whole_model(trained: Trained) -> None:
    """Every float of the state dict once, with its value; only counts of batches stay local."""
    network = marked(trained)
    flat, frozen = FlatModel(network), network.frozen()
    values = flat.values()
    entries = [(spec.name, values[place]) for spec, place in flat.layout.slices()]
    if frozen is not None:
        entries += [(spec.name, frozen.values[place]) for spec, place in frozen.layout.slices()]
    assert len({name for name, _ in entries}) == len(entries)
    state = {name: tensor for name, tensor in network.module.state_dict().items() if tensor.is_floating_point()}
    assert {name for name, _ in entries} == set(state)
    for name, entry in entries:
        assert np.array_equal(entry, state[name].reshape(-1).numpy()), name
    assert (frozen is None) == (trained == Trained())


@pytest.mark.parametrize("trained", EVERY, ids=repr)
def test_the_fixed_part_and_the_rest_are_the_network(trained: Trained) -> None:
    plain, network = lite0().eval(), marked(trained)
    network.module.eval()
    with torch.inference_mode():
        found = network.logits(network.activations(images()))
        expected = plain(images())
    # A low-rank addition is 0 at the start; it adds 0 to each weight, and changes no bit.
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("trained", "n_fixed"),
    [
        (Trained(), 0),
        (Trained(blocks=5), 12),
        (Trained("norm_and_bias"), 0),
        (Trained("lora"), 0),
        (Trained("head"), 18),
    ],
    ids=repr,
)
def test_the_cut_is_behind_the_last_stage_that_nothing_trained_precedes(trained: Trained, n_fixed: int) -> None:
    """A stem, 16 blocks, features: with five blocks trained, the stem and eleven of them are fixed."""
    assert len(marked(trained).fixed) == n_fixed


def test_preprocessing_stands_in_front() -> None:
    def halved(values: torch.Tensor) -> torch.Tensor:
        return values / 2

    for trained in (Trained(), Trained("head")):
        network = cut(lite0(), trained, HEAD, halved)
        network.module.eval()
        plain = lite0().eval()
        with torch.inference_mode():
            assert torch.equal(network.logits(network.activations(images())), plain(images() / 2))
        assert (halved in network.fixed) == (trained.kind == "head")


def test_low_rank_is_the_weight_plus_a_scaled_product_by_hand() -> None:
    """W + alpha / r * up @ down, for a layer of 4 inputs and 3 outputs, and for 1 x 1 and 3 x 3 convolutions."""
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    weights = [module[0].weight.detach().clone(), module[2].weight.detach().clone()]
    cut(module, Trained("lora", rank=2, alpha=6.0), "4")
    for layer, weight in zip((module[0], module[2]), weights, strict=True):
        (addition,) = layer.parametrizations.weight
        assert isinstance(addition, LowRank)
        assert torch.equal(layer.weight, weight)
        nn.init.normal_(addition.up, generator=torch.Generator().manual_seed(1))
        expected = weight.reshape(len(weight), -1) + 6.0 / 2 * addition.up @ addition.down
        torch.testing.assert_close(layer.weight, expected.view_as(weight), rtol=0, atol=1e-6)
    assert not hasattr(module[4], "parametrizations")


def test_low_rank_products_are_trained() -> None:
    """The first step moves the factor that is 0, the second both."""
    network = marked(Trained("lora", blocks=1, rank=2))
    before = {name: parameter.detach().clone() for name, parameter in network.parameters()}
    fitted(network, n_steps=2)
    for name, parameter in network.parameters():
        assert not torch.equal(parameter, before[name]), name


def test_depthwise_convolutions_get_no_low_rank_addition() -> None:
    names = [name for name, _ in marked(Trained("lora", rank=1)).parameters()]
    assert not any("depthwise" in name for name in names)


def test_a_sequential_is_cut_between_its_children() -> None:
    """The last child is no block: the last block is the one before it."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.Linear(4, 3))
    network = cut(module, Trained(blocks=1), "3")
    assert len(network.fixed) == 2
    assert [name for name, _ in network.parameters()] == ["2.weight", "2.bias", "3.weight", "3.bias"]
    assert network.statistics() == []
    assert {spec.name for spec in network.frozen().layout.tensors} == {  # type: ignore[union-attr]
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
        "1.running_mean",
        "1.running_var",
    }
    assert len(cut(nn.Sequential(*module), Trained(blocks=2), "3").fixed) == 1


def test_closed_parts_stay_in_evaluation_mode() -> None:
    network = marked(Trained(blocks=5))
    network.train()
    modes = {name: part.training for name, part in network.module.named_modules()}
    assert not modes["_bn0"] and not modes["_blocks.10._bn0"]
    assert modes["_blocks.11._bn0"] and modes["_bn1"] and modes["_fc"]
    head = marked(Trained("head"))
    head.train()
    assert [name for name, part in head.module.named_modules() if part.training] == ["_fc"]


def test_all_of_a_network_without_stages_is_trained_as_one() -> None:
    network = cut(Mlp((2, 2), 3), Trained(), "head")
    assert network.fixed == () and network.frozen() is None
    assert len(network.parameters()) == len(whole(Mlp((2, 2), 3)).parameters()) == 4


def test_a_network_without_stages_has_its_head_trained_and_nothing_cut() -> None:
    network = cut(Mlp((2, 2), 3), Trained("head"), "head")
    assert network.fixed == ()
    assert [name for name, _ in network.parameters()] == ["head.weight", "head.bias"]


@pytest.mark.parametrize(
    ("module", "trained", "head", "text"),
    [
        (lite0, Trained(blocks=17), HEAD, "17 blocks are asked for, and EfficientNetLite0 has 16"),
        (
            lambda: Mlp((2, 2), 3),
            Trained(blocks=1),
            "head",
            "Mlp has no blocks to count: no method `stages`, and no nn.Sequential",
        ),
        (
            lambda: Mlp((2, 2), 3),
            Trained("head"),
            "top",
            "the model has no layer top to be its last; its own: hidden, head",
        ),
    ],
)
def test_a_cut_that_cannot_be_is_one_clear_line(
    module: Callable[[], nn.Module], trained: Trained, head: str, text: str
) -> None:
    with pytest.raises(ValueError) as caught:
        cut(module(), trained, head)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"blocks": 0}, "blocks must be 1"),
        ({"kind": "head", "blocks": 2}, "blocks does not go with kind head"),
        ({"kind": "lora", "rank": 0}, "rank must be 1 to 1024"),
        ({"kind": "lora", "alpha": 0.0}, "alpha must be above 0"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}"):
        Trained(**settings)  # type: ignore[arg-type]

"""Splits a network into the part that is trained and the fixed part in front of it.

Only what is trained travels in every round. A network that says what its stages are, or is an `nn.Sequential`, can be
cut behind the stages that nothing trained precedes: what those make of an image never changes.

References:
    E. Zaken, S. Ravfogel, Y. Goldberg, "BitFit: Simple Parameter-Efficient Fine-Tuning", ACL 2022: biases alone. Here
        with the scales of normalisation layers.
    E. Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from harness.core.types import Layout, TensorSpec, Update
from harness.run.tasks.settings import Trained

Run = Callable[[Tensor], Tensor]

_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


class Stage(NamedTuple):
    """One of the functions that make up a network, one after the other.

    Attributes:
        modules: those whose parameters and buffers it uses.
        run: what it does.
        is_block: whether it counts where the last blocks are requested; the stages behind the blocks do not.
    """

    modules: Sequence[nn.Module]
    run: Run
    is_block: bool = True


@dataclass
class Trainable:
    """A network, cut into what is fixed and what is trained.

    Attributes:
        module: the whole network; its parameters know by `requires_grad` whether they are trained.
        fixed: from images to the output of the fixed stages; empty if none is fixed.
        rest: from there to logits.
        closed: modules in which nothing is trained: they stay in evaluation mode, and their buffers do not travel.
    """

    module: nn.Module
    fixed: Sequence[Run]
    rest: Sequence[Run]
    closed: Sequence[nn.Module] = ()

    def activations(self, images: Tensor) -> Tensor:
        """What the fixed stages make of `images`; `images` itself if none is fixed."""
        return _chain(self.fixed, images)

    def logits(self, activations: Tensor) -> Tensor:
        """Logits of shape (n, n_classes) from `activations`."""
        return _chain(self.rest, activations)

    def train(self) -> None:
        """Training mode where something is trained."""
        self.module.train()
        for module in self.closed:
            module.training = False

    def set_norm_momentum(self, momentum: float) -> None:
        """Weigh each batch by `momentum` in the running statistics of all batch norms, above 0 and at most 1."""
        for module in self.module.modules():
            if getattr(module, "track_running_stats", False):
                setattr(module, "momentum", momentum)  # noqa: B010 - modules declare no such attribute

    def parameters(self) -> list[tuple[str, nn.Parameter]]:
        """The trained parameters, by name."""
        return [(name, p) for name, p in self.module.named_parameters() if p.requires_grad]

    def statistics(self) -> list[tuple[str, Tensor]]:
        """The float buffers that training changes, by name; they travel.

        Raises:
            ValueError: a buffer is neither float32 nor integer, or a batch norm without momentum averages over its
                count of batches, which does not travel.
        """
        for name, part in self.module.named_modules():
            if getattr(part, "track_running_stats", False) and getattr(part, "momentum", 0.0) is None:
                raise ValueError(
                    f"{name or 'module'}: a batch norm needs a momentum; its count of batches does not travel"
                )
        closed = {id(buffer) for module in self.closed for buffer in module.buffers(recurse=False)}
        return [(name, buffer) for name, buffer in _float_buffers(self.module) if id(buffer) not in closed]

    def frozen(self) -> Update | None:
        """Parameters and float buffers that stay as they are: clients need them once. None if there are none."""
        staying = self._staying()
        if not staying:
            return None
        layout = Layout(tuple(TensorSpec(name, tuple(tensor.shape)) for name, tensor in staying))
        return Update(torch.cat([tensor.reshape(-1).cpu() for _, tensor in staying]).numpy(), layout)

    def load_frozen(self, frozen: Update) -> None:
        """Overwrite what stays as it is with that of another copy of this network, as `frozen` gave it."""
        for (_, tensor), (spec, place) in zip(self._staying(), frozen.layout.slices(), strict=True):
            tensor.copy_(torch.from_numpy(frozen.values[place]).view(spec.shape))

    def _staying(self) -> list[tuple[str, Tensor]]:
        travelling = {name for name, _ in (*self.parameters(), *self.statistics())}
        named = [*self.module.named_parameters(), *_float_buffers(self.module)]
        return [(name, tensor.detach()) for name, tensor in named if name not in travelling]


def whole(module: nn.Module) -> Trainable:
    """All of `module` is trained."""
    return Trainable(module, (), (module,))


def cut(module: nn.Module, trained: Trained, head: str, preprocess: Run | None = None) -> Trainable:
    """`module` with what is trained marked, cut behind the last stage that nothing trained precedes.

    Args:
        module: a classifier; changed in place: `requires_grad`, and low-rank additions for ``lora``.
        trained: what is trained.
        head: name of the last layer, which is always trained.
        preprocess: what runs on images before it.

    Raises:
        ValueError: there is no layer `head`, or the network has no blocks to count, or fewer than requested.
    """
    before = () if preprocess is None else (preprocess,)
    top, stages = _layer(module, head), _stages(module)
    region = [module] if trained.blocks is None else _last_blocks(module, stages, trained.blocks)
    if trained.kind == "all" and trained.blocks is None:
        return Trainable(module, (), (*before, module))
    for parameter in module.parameters():
        parameter.requires_grad = False
    for parameter in (*_opened(region, trained, top), *top.parameters()):
        parameter.requires_grad = True
    opened = [top] if trained.kind in ("head", "lora") else region
    kept = {id(part) for owner in opened for part in owner.modules()}
    closed = [part for part in module.modules() if id(part) not in kept]
    if not stages:
        return Trainable(module, (), (*before, module), closed)
    in_front = list(takewhile(lambda stage: not _is_trained(stage), stages))
    fixed, rest = [stage.run for stage in in_front], [stage.run for stage in stages[len(in_front) :]]
    return (
        Trainable(module, (*before, *fixed), rest, closed) if fixed else Trainable(module, (), (*before, *rest), closed)
    )


class LowRank(nn.Module):
    """A weight plus ``alpha / rank`` times a product of two trained matrices, the second of them 0 at the start."""

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        """Matrices for `weight`, whose first axis is that of the outputs."""
        super().__init__()
        n_out, n_in = weight.shape[0], weight[0].numel()
        self.down = nn.Parameter(torch.empty(rank, n_in))
        self.up = nn.Parameter(torch.zeros(n_out, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self._scale = alpha / rank

    def forward(self, weight: Tensor) -> Tensor:
        """The weight that the layer uses."""
        return weight + self._scale * (self.up @ self.down).view_as(weight)


def _opened(region: Sequence[nn.Module], trained: Trained, top: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters of `region` that are trained beside the last layer; adds them first where they are new."""
    parts = [part for owner in region for part in owner.modules()]
    if trained.kind == "all":
        for part in parts:
            yield from part.parameters(recurse=False)
    elif trained.kind == "norm_and_bias":
        for part in parts:
            for name, parameter in part.named_parameters(recurse=False):
                if isinstance(part, _NORMS) or name == "bias":
                    yield parameter
    elif trained.kind == "lora":
        for part in parts:
            if part is not top and (isinstance(part, nn.Linear) or (isinstance(part, nn.Conv2d) and part.groups == 1)):
                addition = LowRank(part.weight, trained.rank, trained.alpha)
                parametrize.register_parametrization(part, "weight", addition)
                yield from addition.parameters()


def _layer(module: nn.Module, name: str) -> nn.Module:
    try:
        return module.get_submodule(name)
    except AttributeError as error:
        names = ", ".join(name for name, _ in module.named_children())
        raise ValueError(f"the model has no layer {name} to be its last; its own: {names}") from error


def _stages(module: nn.Module) -> list[Stage]:
    """The stages of a network; none if it does not say."""
    if hasattr(module, "stages"):
        stages: list[Stage] = list(module.stages())  # type: ignore[operator]
        return stages
    if isinstance(module, nn.Sequential):
        children = list(module)
        return [Stage((child,), child, child is not children[-1]) for child in children]
    return []


def _last_blocks(module: nn.Module, stages: Sequence[Stage], n_blocks: int) -> list[nn.Module]:
    places = [place for place, stage in enumerate(stages) if stage.is_block]
    if not places:
        raise ValueError(f"{type(module).__name__} has no blocks to count: no method `stages`, and no nn.Sequential")
    if n_blocks > len(places):
        raise ValueError(f"{n_blocks} blocks are asked for, and {type(module).__name__} has {len(places)}")
    return [part for stage in stages[places[-n_blocks] :] for part in stage.modules]


def _is_trained(stage: Stage) -> bool:
    return any(parameter.requires_grad for part in stage.modules for parameter in part.parameters())


def _float_buffers(module: nn.Module) -> list[tuple[str, Tensor]]:
    found = []
    for name, buffer in module.named_buffers():
        if buffer.dtype == torch.float32:
            found.append((name, buffer))
        elif buffer.dtype.is_floating_point or buffer.dtype.is_complex or buffer.dtype == torch.bool:
            raise ValueError(f"buffer {name} is {buffer.dtype}; only float32 buffers travel, and integers stay local")
    return found


def _chain(runs: Sequence[Run], values: Tensor) -> Tensor:
    for run in runs:
        values = run(values)
    return values

"""Networks a study may name: the allow-list, by name and bounded arguments, and what each would cost before it is built."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from myofed_schemas.wire import WireModel

Norm = Literal["instance", "instance-affine", "batch"]
"""`instance` has no weights; `instance-affine` learns scale and shift; `batch` also keeps running statistics."""
KernelEdge = Literal[1, 3, 5]
StrideEdge = Literal[1, 2]

FLOAT_BYTES = 4
MODEL_COPIES = 7
"""Weights, gradients, AdamW's two moments, and the packed weights that came, that go and that were seen last."""
KEPT_PER_CONVOLUTION = 5
"""Arrays of each convolution in one step: its output, the normalised and the activated one, a copy beside a skip, a gradient.

Measured on CPU (growth of the peak in one step, `initial_model`'s ordinary networks, 2026-11-24): 564 MiB of 611 estimated for
`monai-unet-2d` (32 images of 192 x 192), 1175 of 2619 for `monai-segresnet` and 1700 of 3670 for `monai-dynunet` (16), 176 of
186 for `monai-unet-3d` (2 of 64 x 64 x 64)."""


@dataclass(frozen=True)
class Convolution:
    """One convolution of a network, with norm and activation behind it.

    Attributes:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Number of taps, e.g. 9 for 3 x 3.
        shrink: Input voxels of the network for one output voxel of this layer.
    """

    inputs: int
    outputs: int
    kernel: int
    shrink: int

    @property
    def numbers(self) -> int:
        """Upper bound on its weights: taps, bias, and scale, shift, running mean and variance of a norm, two more."""
        return self.kernel * self.inputs * self.outputs + 5 * self.outputs + 2


class Unet2d(WireModel):
    """`monai-unet-2d`: MONAI's UNet (Ronneberger 2015; residual units: Kerfoot 2019) on (n, c, h, w)."""

    name: Literal["monai-unet-2d"]
    in_channels: int = Field(ge=1, le=4)
    out_channels: int = Field(ge=2, le=64)
    channels: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(min_length=2, max_length=7)
    strides: tuple[Annotated[int, Field(ge=1, le=4)], ...] = Field(min_length=1, max_length=6)
    num_res_units: int = Field(ge=0, le=4)
    norm: Norm

    @property
    def spatial_dims(self) -> int:
        """2: slices."""
        return 2

    def convolutions(self) -> Iterator[Convolution]:
        """Every convolution, or one that costs more."""
        return _unet(self, dims=2)

    def divisor(self) -> tuple[int, ...]:
        """An image's size must be a multiple of this along each axis."""
        return (math.prod(self.strides),) * 2


class Unet3d(WireModel):
    """`monai-unet-3d`: the same on (n, c, d, h, w)."""

    name: Literal["monai-unet-3d"]
    in_channels: int = Field(ge=1, le=4)
    out_channels: int = Field(ge=2, le=64)
    channels: tuple[Annotated[int, Field(ge=2, le=512)], ...] = Field(min_length=2, max_length=6)
    strides: tuple[StrideEdge, ...] = Field(min_length=1, max_length=5)
    num_res_units: int = Field(ge=0, le=2)
    norm: Norm

    @model_validator(mode="after")
    def _one_stride_fewer(self) -> Self:
        if len(self.strides) != len(self.channels) - 1:
            msg = f"{len(self.channels) - 1} strides belong to {len(self.channels)} channels, found {len(self.strides)}"
            raise ValueError(msg)
        return self

    @property
    def spatial_dims(self) -> int:
        """3: volumes."""
        return 3

    def convolutions(self) -> Iterator[Convolution]:
        """Every convolution, or one that costs more."""
        return _unet(self, dims=3)

    def divisor(self) -> tuple[int, ...]:
        """An image's size must be a multiple of this along each axis."""
        return (math.prod(self.strides),) * 3


class SegResNet(WireModel):
    """`monai-segresnet`: residual encoder and decoder (Myronenko 2018, without its variational branch).

    Attributes:
        init_filters: Channels of the first level, doubled at each level below.
        blocks_down: Residual blocks of each level on the way down.
        blocks_up: Of each level on the way up; one level fewer.
    """

    name: Literal["monai-segresnet"]
    spatial_dims: Literal[2, 3]
    in_channels: int = Field(ge=1, le=4)
    out_channels: int = Field(ge=2, le=64)
    init_filters: Literal[8, 16, 24, 32, 48, 64]
    blocks_down: tuple[Annotated[int, Field(ge=1, le=4)], ...] = Field(min_length=2, max_length=5)
    blocks_up: tuple[Annotated[int, Field(ge=1, le=4)], ...] = Field(min_length=1, max_length=4)
    norm: Literal["group", "instance", "instance-affine", "batch"]

    @model_validator(mode="after")
    def _one_level_fewer_up(self) -> Self:
        if len(self.blocks_up) != len(self.blocks_down) - 1:
            msg = f"blocks_up has {len(self.blocks_up)} levels, expected {len(self.blocks_down) - 1}"
            raise ValueError(msg)
        return self

    def convolutions(self) -> Iterator[Convolution]:
        """Every convolution, or one that costs more."""
        kernel, double = 3**self.spatial_dims, 2**self.spatial_dims
        yield Convolution(self.in_channels, self.init_filters, kernel, 1)
        for level, blocks in enumerate(self.blocks_down):
            width, shrink = self.init_filters * 2**level, double**level
            if level:
                yield Convolution(width // 2, width, kernel, shrink)
            yield from _repeated(Convolution(width, width, kernel, shrink), 2 * blocks)
        for level, blocks in enumerate(reversed(self.blocks_up)):
            width, shrink = self.init_filters * 2**level, double**level
            yield Convolution(2 * width, width, 1, shrink * double)
            yield Convolution(width, width, double, shrink)
            yield from _repeated(Convolution(width, width, kernel, shrink), 2 * blocks)
        yield Convolution(self.init_filters, self.out_channels, 1, 1)

    def divisor(self) -> tuple[int, ...]:
        """An image's size must be a multiple of this along each axis."""
        return (2 ** (len(self.blocks_down) - 1),) * self.spatial_dims


class DynUnet(WireModel):
    """`monai-dynunet`: a U-Net as nnU-Net configures it (Isensee 2021), kernel and stride by level and axis.

    Deep supervision is off: a site's loss sees one output. Upsampling undoes the strides.

    Attributes:
        kernel_sizes: By level, one number an axis.
        strides: By level, one number an axis; all 1 in the first.
        filters: Channels by level.
        res_block: Residual instead of plain blocks.
    """

    name: Literal["monai-dynunet"]
    spatial_dims: Literal[2, 3]
    in_channels: int = Field(ge=1, le=4)
    out_channels: int = Field(ge=2, le=64)
    kernel_sizes: tuple[tuple[KernelEdge, ...], ...] = Field(min_length=3, max_length=7)
    strides: tuple[tuple[StrideEdge, ...], ...] = Field(min_length=3, max_length=7)
    filters: tuple[Annotated[int, Field(ge=4, le=512)], ...] = Field(min_length=3, max_length=7)
    norm: Norm
    res_block: bool

    @model_validator(mode="after")
    def _levels_and_axes(self) -> Self:
        if not len(self.kernel_sizes) == len(self.strides) == len(self.filters):
            msg = "kernel_sizes, strides and filters need one entry a level"
            raise ValueError(msg)
        if any(len(entry) != self.spatial_dims for entry in (*self.kernel_sizes, *self.strides)):
            msg = f"kernel sizes and strides need {self.spatial_dims} numbers a level"
            raise ValueError(msg)
        if set(self.strides[0]) != {1}:
            msg = "the first level has stride 1"
            raise ValueError(msg)
        if any(
            stride > kernel
            for level in zip(self.kernel_sizes, self.strides, strict=True)
            for kernel, stride in zip(*level, strict=True)
        ):
            msg = "a stride is larger than its kernel: voxels would be skipped"
            raise ValueError(msg)
        return self

    def convolutions(self) -> Iterator[Convolution]:
        """Every convolution, or one that costs more."""
        inputs, shrink, shrinks = self.in_channels, 1, []
        for kernel, stride, width in zip(self.kernel_sizes, self.strides, self.filters, strict=True):
            shrink *= math.prod(stride)
            shrinks.append(shrink)
            yield from self._block(inputs, width, kernel=math.prod(kernel), shrink=shrink)
            inputs = width
        for level in range(len(self.filters) - 1):
            width, below = self.filters[level], self.filters[level + 1]
            yield Convolution(below, width, math.prod(self.strides[level + 1]), shrinks[level])
            kernel_volume = math.prod(self.kernel_sizes[level + 1])
            yield from self._block(2 * width, width, kernel=kernel_volume, shrink=shrinks[level])
        yield Convolution(self.filters[0], self.out_channels, 1, 1)

    def divisor(self) -> tuple[int, ...]:
        """An image's size must be a multiple of this along each axis."""
        return tuple(math.prod(edges) for edges in zip(*self.strides, strict=True))

    def _block(self, inputs: int, outputs: int, *, kernel: int, shrink: int) -> Iterator[Convolution]:
        yield Convolution(inputs, outputs, kernel, shrink)
        yield Convolution(outputs, outputs, kernel, shrink)
        if self.res_block:
            yield Convolution(inputs, outputs, 1, shrink)


Network = Annotated[Unet2d | Unet3d | SegResNet | DynUnet, Field(discriminator="name")]
"""One of the allow-list; `name` decides which."""


def parameters(network: Network) -> int:
    """Upper bound on the numbers in the network's state dict, known before it is built."""
    return sum(convolution.numbers for convolution in network.convolutions())


def training_bytes(network: Network, *, batch: int, size: Sequence[int]) -> int:
    """About how much memory one training step takes in float32, weights and activations.

    Args:
        network: Not built.
        batch: Images in one step.
        size: Voxels of one image along each axis.
    """
    kept = sum(c.outputs * KEPT_PER_CONVOLUTION / c.shrink for c in network.convolutions())
    return FLOAT_BYTES * (MODEL_COPIES * parameters(network) + math.ceil(kept * batch * math.prod(size)))


def _unet(network: Unet2d | Unet3d, *, dims: int) -> Iterator[Convolution]:
    """MONAI's UNet: a level's decoder reads the level itself and what comes from below."""
    kernel, units, channels = 3**dims, network.num_res_units, network.channels
    inputs, shrink, shrinks = network.in_channels, 1, [1]
    for level, width in enumerate(channels):
        if level < len(network.strides) and level < len(channels) - 1:
            shrink *= network.strides[level] ** dims
        yield Convolution(inputs, width, kernel, shrink)
        if units:
            yield Convolution(inputs, width, kernel, shrink)
            yield from _repeated(Convolution(width, width, kernel, shrink), units - 1)
        shrinks.append(shrink)
        inputs = width
    for level, width in enumerate(channels[:-1]):
        from_below = channels[level + 1] if level == len(channels) - 2 else width
        outputs = channels[level - 1] if level else network.out_channels
        yield Convolution(width + from_below, outputs, kernel, shrinks[level])
        if units:
            yield Convolution(outputs, outputs, kernel, shrinks[level])


def _repeated(convolution: Convolution, times: int) -> Iterator[Convolution]:
    return (convolution for _ in range(times))

"""The UNet as a kind of network.

>>> from search_space.network import NETWORK_KINDS
>>> from search_space.presets import named_spec
>>> NETWORK_KINDS.get("unet").words
'text-to-image UNet'
>>> UNET_AXES.freeze(UNET_AXES.thaw(named_spec("F/mqa"))) == named_spec("F/mqa")
True
"""

from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING

from search_space.axes import UNET_FIELDS, conditioning_field
from search_space.axis import AxisTable
from search_space.network import NetworkKind
from search_space.parts import Mid, Stage
from search_space.spec import UNetSpec
from search_space.unet_draft import check_base, thaw

if TYPE_CHECKING:
    from torch import nn

_mid_of = lru_cache(maxsize=1 << 12)(Mid)
_stage_of = lru_cache(maxsize=1 << 16)(Stage)


def freeze(draft: SimpleNamespace) -> UNetSpec:
    """Return the spec of ``draft``; raises :class:`SpecError` where it contradicts itself.

    Equal stages are interned, so that planning finds cached segments by identity.
    """
    fields = dict(draft.__dict__)
    fields["stages"] = tuple([_stage_of(**stage.__dict__) for stage in draft.stages])
    if draft.mid is not None:
        fields["mid"] = _mid_of(**draft.mid.__dict__)
    return UNetSpec(**fields)


def _module(spec: UNetSpec) -> "nn.Module":
    from search_space.unet import UNet

    return UNet(spec)


UNET_AXES = AxisTable(UNET_FIELDS, thaw, freeze, check_base, conditioning_field)
UNET = NetworkKind("unet", "text-to-image UNet", UNetSpec.from_dict, _module, UNET_AXES)

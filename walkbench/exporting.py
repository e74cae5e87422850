"""Exports: a design as a folder that diffusers' pipelines and trainers load.

>>> import tempfile
>>> from search_space.diffusers_bridge import spec_from_config
>>> spec = spec_from_config({"_class_name": "UNet2DConditionModel", "norm_num_groups": 8,
...                          "block_out_channels": [8, 16, 16, 16], "attention_head_dim": 2})
>>> with tempfile.TemporaryDirectory() as folder:
...     export(spec, f"{folder}/small").class_name
'UNet2DConditionModel'
"""

import os
from pathlib import Path

from search_space.errors import WalkbenchError
from search_space.exported import load_exported as load
from search_space.spec import UNetSpec
from search_space.unet import UNet
from studies.export import Dtype, Exported
from studies.export import export as write
from studies.export_design import Exportable, exportable_trial
from studies.export_weights import SeededWeights
from studies.reading import StudyData
from studies.records import TrialRecord
from walkbench.designs import Design, network


def export(
    design: Design | TrialRecord,
    folder: str | os.PathLike[str],
    *,
    study: StudyData | None = None,
    seed: int = 0,
    dtype: Dtype = "fp32",
    device: str = "iPhone 15 Pro",
    overwrite: bool = False,
) -> Exported:
    """Write a UNet into ``folder`` with scheduler, recipe, figures and a model card.

    ``design`` is a UNet or a trial, whose ``study`` must be given then. Weights are initial ones of
    ``seed`` in ``dtype`` (fp32 or fp16); ``device`` is that of the latency on the card where the
    trial has none. ``overwrite`` replaces an earlier export. Raises :class:`WalkbenchError` for
    another kind of network, a trial without its study, and a folder that holds something else.
    """
    found = _exportable(design, study)
    weights = SeededWeights(seed)
    return write(
        found, Path(folder), weights=weights, dtype=dtype, device=device, overwrite=overwrite
    )


def _exportable(design: Design | TrialRecord, study: StudyData | None) -> Exportable:
    if isinstance(design, TrialRecord):
        if study is None:
            raise WalkbenchError(f"trial {design.number} needs its study: export(…, study=study)")
        return exportable_trial(study, design)
    chosen = network(design)
    if not isinstance(chosen, UNetSpec):
        raise WalkbenchError(
            f"the network is of kind {chosen.kind}; export takes a UNet, and "
            "`walkbench export` also a decoder"
        )
    return Exportable(chosen, name=design if isinstance(design, str) else None)


def load_exported(folder: str | os.PathLike[str]) -> UNet:
    """Return the network of an export as a module, on the CPU, in its stored precision.

    Raises :class:`WalkbenchError` for a folder that is no export or whose weights do not fit.
    """
    return load(Path(folder))

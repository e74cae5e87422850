"""A bundle has the files, names, shapes and types that Apple's Swift pipelines read."""

import json
import re

import pytest

from latency_db.packages.coreml_part import Settings
from search_space.errors import WalkbenchError
from search_space.parts import Conditions, Context
from search_space.presets import named_spec
from studies.export import export
from studies.export_design import Exportable
from studies.phone.bundle import readme, write_bundle
from studies.phone.swift_contract import pipeline_for
from tests.latency_db.packages.tiny import tiny

WIDTH = 32


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A diffusers pipeline's folder with a tiny text encoder and VAE."""
    diffusers = pytest.importorskip("diffusers")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("pipeline")
    text = transformers.CLIPTextConfig(
        vocab_size=50,
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=1,
        eos_token_id=2,
    )
    transformers.CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    diffusers.AutoencoderKL(
        block_out_channels=[8, 8],
        norm_num_groups=4,
        latent_channels=4,
        scaling_factor=0.5,
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
    ).save_pretrained(folder / "vae")
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text("{}", encoding="utf-8")
    (folder / "tokenizer" / "merges.txt").write_text("#version\n", encoding="utf-8")
    return folder


def ports(path):
    """Inputs and outputs of a package, read back from disk as Core ML describes them."""
    from latency_db.backends.coreml_export import coremltools

    spec = coremltools().utils.load_spec(str(path))
    return [
        {f.name: tuple(f.type.multiArrayType.shape) for f in features}
        for features in (spec.description.input, spec.description.output)
    ]


def token_types(path):
    """Types that the token numbers are cast to: half precision and int16 end below 49,407."""
    from latency_db.backends.coreml_export import coremltools

    main = coremltools().utils.load_spec(str(path)).mlProgram.functions["main"]
    operations = next(iter(main.block_specializations.values())).operations
    dtypes = {  # of the strings that name a type
        op.outputs[0].name: op.attributes["val"].immediateValue.tensor.strings.values[0]
        for op in operations
        if op.type == "const" and op.attributes["val"].immediateValue.tensor.strings.values
    }
    return {
        dtypes[op.inputs["dtype"].arguments[0].name]
        for op in operations
        if op.type == "cast" and op.inputs["x"].arguments[0].name == "input_ids"
    }


@pytest.mark.slow
def test_a_bundle_holds_what_the_swift_pipeline_loads(source, tmp_path):
    spec = tiny(context=Context(WIDTH, 77))
    export(Exportable(spec), tmp_path / "out")
    settings = Settings(shift=3.0)
    notes = write_bundle(spec, tmp_path / "out", source, settings)
    folder = tmp_path / "out" / "swift"
    pipeline = pipeline_for(spec)
    assert pipeline.name == "StableDiffusionPipeline"
    for model in pipeline.models:
        inputs, outputs = ports(folder / f"{model.file}.mlpackage")
        assert inputs == model.inputs
        assert tuple(outputs) == model.outputs
    assert token_types(folder / "TextEncoder.mlpackage") == {"int32"}
    assert {"vocab.json", "merges.txt", "README.md"} <= {path.name for path in folder.iterdir()}
    assert "schedulerTimestepShift = 3.0" in (folder / "README.md").read_text(encoding="utf-8")
    assert "decoderScaleFactor = 0.5" in (folder / "README.md").read_text(encoding="utf-8")
    before = (folder / "VAEDecoder.mlpackage").stat().st_mtime_ns
    assert write_bundle(spec, tmp_path / "out", source, settings) == notes
    assert (folder / "VAEDecoder.mlpackage").stat().st_mtime_ns == before


@pytest.mark.slow
def test_the_text_encoder_must_be_the_one_the_design_was_made_for(source, tmp_path):
    spec = tiny(context=Context(48, 77))
    export(Exportable(spec), tmp_path / "out")
    with pytest.raises(WalkbenchError, match="gives 32 numbers per token, the design reads 48"):
        write_bundle(spec, tmp_path / "out", source, Settings())


def test_more_than_two_programs_are_refused_with_the_way_out(tmp_path):
    with pytest.raises(WalkbenchError, match=r"6 programs at 16 bits.*at most 2; choose fewer"):
        write_bundle(named_spec("sdxl"), tmp_path, tmp_path, Settings())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (lambda: tiny(), "pass 77 tokens.*reads 7"),
        (lambda: tiny(context=Context(48, 77), conditions=Conditions(classes=10)), "class labels"),
        (lambda: named_spec("dreamlite"), "this design has 2 and text_embeds of 0"),
    ],
)
def test_a_design_that_no_pipeline_runs_is_told_why(spec, words):
    with pytest.raises(WalkbenchError, match=words):
        pipeline_for(spec())


def test_xl_is_called_with_both_prompts_and_reads_two_text_encoders():
    pipeline = pipeline_for(named_spec("sdxl"))
    unet = next(model for model in pipeline.models if model.file == "Unet")
    assert unet.inputs == {
        "sample": (2, 4, 128, 128),
        "timestep": (2,),
        "encoder_hidden_states": (2, 2048, 1, 77),
        "time_ids": (2, 6),
        "text_embeds": (2, 1280),
    }
    files = [model.file for model in pipeline.models]
    assert files == ["TextEncoder", "TextEncoder2", "Unet", "VAEDecoder"]


def test_the_page_names_the_scheduler_that_fits_a_velocity():
    page = readme(pipeline_for(named_spec("sd15")), Settings(), {"scale": 1.0, "shift": 0.0})
    assert ".discreteFlowScheduler" in page and "coremlcompiler" in page
    assert json.dumps(1.0) in re.findall(r"TimestepShift = (\S+)", page)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_a_built_in_shift_gives_the_network_the_noise_level_of_swifts_scheduler(shift):
    """DiscreteFlowScheduler.swift: integer timesteps without shift, sigmas with it."""

    def sigma(t):
        return shift * (t / 1000) / (1 + (shift - 1) * t / 1000)

    low, high, steps = sigma(1.0), sigma(1000.0), 20
    for i in range(steps):
        t = low + (high - low) / (steps - 1) * i
        passed, level = int(t * 1000), sigma(t * 1000)
        seen = shift * passed / (1 + (shift - 1) / 1000 * passed)  # as PartModule computes it
        assert abs(seen / 1000 - level) <= shift / 1000

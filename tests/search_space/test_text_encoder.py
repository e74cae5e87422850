"""Text encoders: the sizes of the published ones, their operators, and what they compute."""

import json

import pytest
import torch

from search_space.blocks import parse_key
from search_space.cost import BYTES_PER_VALUE, cost
from search_space.errors import SpecError, WalkbenchError
from search_space.initialise import initialise
from search_space.modules.network import example_inputs
from search_space.network import build_network, network_from_dict, network_from_json
from search_space.text_encoder import TEXT_ENCODERS, TextEncoderSpec, text_encoder
from search_space.trace import trace

transformers = pytest.importorskip("transformers")

CLIP = {"vocab_size": 49408, "max_position_embeddings": 77}
T5 = {"is_encoder_decoder": False, "use_cache": False, "feed_forward_proj": "gated-gelu"}
THEIRS = {
    "clip-l": lambda: transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            **CLIP, hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
            num_attention_heads=12, hidden_act="quick_gelu",
        )
    ),
    "clip-h": lambda: transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            **CLIP, hidden_size=1024, intermediate_size=4096, num_hidden_layers=23,
            num_attention_heads=16, hidden_act="gelu",
        )
    ),
    "clip-bigg": lambda: transformers.CLIPTextModelWithProjection(
        transformers.CLIPTextConfig(
            **CLIP, hidden_size=1280, intermediate_size=5120, num_hidden_layers=32,
            num_attention_heads=20, hidden_act="gelu", projection_dim=1280,
        )
    ),
    "gemma-2-2b": lambda: transformers.Gemma2Model(
        transformers.Gemma2Config(
            vocab_size=256000, hidden_size=2304, intermediate_size=9216, num_hidden_layers=26,
            num_attention_heads=8, num_key_value_heads=4, head_dim=256,
        )
    ),
    "t5-xxl": lambda: transformers.T5EncoderModel(
        transformers.T5Config(
            **T5, vocab_size=32128, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXT_ENCODERS)
def test_a_named_encoder_has_the_parameters_and_macs_of_transformers(name: str) -> None:
    with torch.device("meta"):
        theirs, tokens = THEIRS[name](), torch.zeros(1, 77, dtype=torch.long)
    priced = cost(text_encoder(name))
    assert priced.params == sum(p.numel() for p in theirs.parameters())
    if name == "gemma-2-2b":  # its masks are made from values, which meta has none of
        weights = priced.params - 256_000 * 2304 - 105 * 2304  # without words and norms
        attention = 26 * 2 * 77**2 * 8 * 256
        assert priced.macs == 77 * weights + attention
        return
    assert priced.macs == trace(theirs, tokens).macs


TINY = {
    "clip-l": TextEncoderSpec(2, 32, 4, 8, 4, 64, 50, 7, activation="quick_gelu"),
    "t5-xxl": TextEncoderSpec(
        2, 32, 4, 16, 4, 48, 50, 7, positions="relative", norm="rms", activation="gelu_tanh",
        gated=True, bias=False, causal=False,
    ),
    "gemma-2-2b": TextEncoderSpec(
        2, 32, 4, 16, 2, 48, 50, 7, positions="rotary", norm="rms", activation="gelu_tanh",
        gated=True, bias=False, post_norms=True, scaled_embedding=True, softcap=50.0,
    ),
}  # fmt: skip


def _their_tiny(name: str) -> torch.nn.Module:
    if name == "clip-l":
        return transformers.CLIPTextModel(
            transformers.CLIPTextConfig(
                vocab_size=50, max_position_embeddings=7, hidden_size=32, intermediate_size=64,
                num_hidden_layers=2, num_attention_heads=4, hidden_act="quick_gelu",
            )
        )  # fmt: skip
    if name == "t5-xxl":
        return transformers.T5EncoderModel(
            transformers.T5Config(
                **T5, vocab_size=50, d_model=32, d_kv=16, d_ff=48, num_layers=2, num_heads=4
            )
        )
    return transformers.Gemma2Model(
        transformers.Gemma2Config(
            vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, head_dim=16, query_pre_attn_scalar=16,
            attn_implementation="eager", pad_token_id=0, bos_token_id=1, eos_token_id=2,
        )
    )  # fmt: skip


def _order(name: str) -> list[str]:
    """Names of our parameters in the order of theirs, by the module each stands for."""
    sub = {
        "q_proj": "q", "k_proj": "k", "v_proj": "v", "out_proj": "out", "o_proj": "out",
        "layer_norm1": "norm1", "layer_norm2": "norm2", "fc1": "up", "fc2": "down",
        "SelfAttention.q": "q", "SelfAttention.k": "k", "SelfAttention.v": "v",
        "SelfAttention.o": "out", "layer.0.layer_norm": "norm1", "layer.1.layer_norm": "norm2",
        "wi_0": "gate", "wi_1": "up", "wo": "down", "gate_proj": "gate", "up_proj": "up",
        "down_proj": "down", "input_layernorm": "norm1", "post_attention_layernorm": "after1",
        "pre_feedforward_layernorm": "norm2", "post_feedforward_layernorm": "after2",
        "final_layer_norm": "output.norm.norm", "token_embedding": "input.embedding.words",
        "position_embedding": "input.embedding.places", "shared": "input.embedding.words",
        "embed_tokens": "input.embedding.words", "relative_attention_bias": "input.positions.table",
    }  # fmt: skip
    ours = []
    for theirs, _ in _their_tiny(name).named_parameters():
        leaf = max((key for key in sub if f".{key}." in f".{theirs}"), key=len, default="")
        number = next((word for word in theirs.split(".") if word.isdigit()), "")
        found = sub.get(leaf, "output.norm.norm")
        kind = theirs.rsplit(".", 1)[1]
        if found == "input.embedding.places":
            ours.append(found)
        elif found.count("."):
            ours.append(f"{found}.{kind}")
        else:
            ours.append(f"layers.layer{number}.{found}.{kind}")
    return ours


@pytest.mark.parametrize("name", TINY)
def test_an_encoder_with_the_same_weights_computes_what_transformers_does(name: str) -> None:
    torch.manual_seed(0)
    theirs, ours = _their_tiny(name).double().eval(), build_network(TINY[name]).double().eval()
    own = dict(ours.named_parameters())
    with torch.no_grad():
        for (_, value), our in zip(theirs.named_parameters(), _order(name), strict=True):
            value.copy_(torch.randn_like(value) * 0.3)
            norm = name == "gemma-2-2b" and ("norm" in our or "after" in our)
            own.pop(our).copy_(value + 1 if norm else value)  # Gemma stores a norm's scale less one
        assert not own
        tokens = torch.randint(3, 50, (2, 7))
        expected = theirs(tokens).last_hidden_state
        assert torch.allclose(ours(tokens), expected, atol=1e-5)


def test_costs_are_those_of_the_whole_network() -> None:
    for spec in (*TINY.values(), TextEncoderSpec(1, 32, 4, 8, 2, 64, 50, 7, projection=16)):
        with torch.device("meta"):
            whole = trace(build_network(spec), **example_inputs(spec))
        priced = cost(spec)
        assert priced.macs == whole.macs
        assert priced.activation_bytes == BYTES_PER_VALUE * whole.moved_values


def test_it_survives_json_and_its_blocks_have_keys() -> None:
    for spec in TEXT_ENCODERS.values():
        assert network_from_json(json.dumps(spec.to_dict())) == spec
        assert all(parse_key(block.key) == block for block, _ in spec.plan().blocks())


def test_it_runs_and_its_pooled_text_is_no_output() -> None:
    spec = TextEncoderSpec(1, 32, 4, 8, 2, 64, 50, 7, projection=16)
    module = initialise(build_network(spec), seed=0).eval()
    assert module(torch.zeros(2, 7, dtype=torch.long)).shape == (2, 7, 32)


def test_bad_sizes_and_names_say_what_is_allowed() -> None:
    with pytest.raises(WalkbenchError, match=r"unknown text encoder 'clip'.*known: clip-bigg"):
        text_encoder("clip")
    with pytest.raises(SpecError, match="kv_heads 3 does not divide heads 4"):
        TextEncoderSpec(1, 32, 4, 8, 3, 64, 50)
    with pytest.raises(SpecError, match="tokens is 0"):
        text_encoder("clip-l", tokens=0)
    with pytest.raises(SpecError, match="text encoder has no field 'depth'"):
        network_from_dict({**TINY["clip-l"].to_dict(), "depth": 3})

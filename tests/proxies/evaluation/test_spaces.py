"""Spaces are named after what they are, and notice what they should."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from proxies.data.dataset import shapes
from proxies.evaluation.clip import load_clip
from proxies.evaluation.image_space import SHIPPED, features_in, shipped_space
from proxies.evaluation.inception import inception_space
from proxies.evaluation.set_distance import set_distance
from proxies.evaluation.shapes_small import shapes_small
from search_space.errors import WalkbenchError
from tests.proxies.evaluation.pictures import save_clip

N = 300


class Pooled(torch.nn.Module):
    """Takes pictures as NVIDIA's archive does, and returns 3 × 4 averages."""

    def forward(self, pixels: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        assert pixels.dtype == torch.uint8
        means = torch.nn.functional.adaptive_avg_pool2d(pixels.float(), 2).flatten(1)
        return means if return_features else means[:, :1]


@pytest.fixture(scope="module")
def own():
    return shapes("validation", 2 * N, 32).images


def frechet(space, real, drawn):
    found = [features_in([space], iter([images]))[space.name] for images in (real, drawn)]
    return set_distance(*found).frechet


@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: ndimage.gaussian_filter(x, (0, 0.8, 0.8, 0)),
        lambda x: np.clip(x + np.random.default_rng(0).normal(0, 20, x.shape), 0, 255),
        lambda x: x[..., ::-1].copy(),
        lambda x: np.where(np.arange(len(x))[:, None, None, None] % 3 == 0, 20, x),
    ],
    ids=["blurred", "noisy", "recoloured", "a third empty"],
)
def test_shapes_small_sees_blur_noise_wrong_colours_and_missing_things(own, spoil):
    space = shipped_space("shapes-small")
    real, others = own[:N], own[N:]
    spoiled = np.asarray(spoil(others), dtype=np.uint8)
    assert frechet(space, real, spoiled) > 2 * frechet(space, real, others)


def test_shapes_small_has_learned_nothing_of_the_random_state():
    assert not shapes_small().training
    assert SHIPPED["shapes-small"].measured_digest() == SHIPPED["shapes-small"].digest


def test_a_users_inception_file_is_named_by_its_stem_and_digest(tmp_path, own):
    path = tmp_path / "inception-2015-12-05.pt"
    torch.jit.script(Pooled()).save(str(path))
    space = inception_space(path)
    assert space.name == f"inception-2015-12-05@{space.digest[:8]}" and space.dim == 12
    blocks = own[:5].reshape(5, 2, 16, 2, 16, 3).mean(axis=(2, 4))  # (5, 2, 2, 3)
    expected = torch.from_numpy(blocks).permute(0, 3, 1, 2).flatten(1)
    assert torch.allclose(space.features(own[:5]), expected, atol=1e-4)


def test_weights_of_torch_fidelity_need_it_and_are_read_by_it(tmp_path):
    path = tmp_path / "pt_inception.pth"
    torch.save({"x": torch.zeros(1)}, path)
    try:
        import torch_fidelity
    except ImportError:
        with pytest.raises(WalkbenchError, match="needs torch_fidelity, which is missing; pip"):
            inception_space(path)
        return
    assert torch_fidelity.__version__
    with pytest.raises(WalkbenchError, match="is no Inception network"):
        inception_space(path)


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.bin"])
def test_files_that_are_no_inception_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no network")
    with pytest.raises(WalkbenchError, match=r"is no (Inception network|file ending)"):
        inception_space(tmp_path / name)


def test_clip_scores_are_the_cosines_of_its_own_forward_pass(tmp_path, own):
    pytest.importorskip("transformers")
    from transformers import AutoTokenizer, CLIPModel

    clip = load_clip(save_clip(tmp_path / "tiny"))
    assert clip.name == f"tiny@{clip.digest[:8]}"
    prompts = ["a red circle", "a blue square and a cross"]
    found = clip.scores(own[:2], prompts)
    model = CLIPModel.from_pretrained(tmp_path / "tiny")
    words = AutoTokenizer.from_pretrained(tmp_path / "tiny")(
        prompts, padding=True, return_tensors="pt"
    )
    pixels = clip._pixels(own[:2])
    with torch.no_grad():
        out = model(**words, pixel_values=pixels)
    cosines = torch.nn.functional.cosine_similarity(out.image_embeds, out.text_embeds)
    assert torch.allclose(found.float(), 100 * cosines.clamp(min=0), atol=1e-3)
    assert clip.space().features(own[:3]).shape == (3, 6)
    assert clip.cut("a " * 9) and not clip.cut("a " * 8)


def test_a_folder_without_a_clip_model_is_refused(tmp_path):
    with pytest.raises(WalkbenchError, match=r"CLIP model .* cannot be loaded"):
        load_clip(tmp_path / "nowhere")

"""A user's own captioned pictures as training data, instead of the procedural shapes.

They come from a folder, a tar or a pattern of tars (:mod:`proxies.data.listing`). What cannot be
used is skipped and listed (:mod:`proxies.data.entries`), a tenth is held out for validation
(:mod:`proxies.data.parts`). All of them are held in memory as bytes at the size of the twin; for
more pictures than fit, cache their latents (:mod:`proxies.data.cache`).

>>> import tempfile
>>> from PIL import Image
>>> with tempfile.TemporaryDirectory() as name:
...     for i in range(40):
...         Image.new("RGB", (40, 30), (i, 0, 0)).save(Path(name) / f"{i}.png")
...         _ = (Path(name) / f"{i}.txt").write_text("a dark picture", encoding="utf-8")
...     parts = captioned_pictures(name, size=24)
>>> len(parts.train) + len(parts.validation), parts.train.images.shape[1:], parts.skipped
(40, (24, 24, 3), ())
"""

from pathlib import Path

from proxies.data.dataset import Captioned
from proxies.data.entries import Sample, Skipped, read
from proxies.data.listing import list_pictures
from proxies.data.parts import TOKENS, Parts, split


def captioned_pictures(images: str | Path, size: int, tokens: int = TOKENS) -> Parts[Captioned]:
    """Return the pictures of ``images``, their middle squares scaled to ``size`` × ``size``.

    ``images`` is a folder, a .tar or a pattern of tars; ``tokens`` words of a caption are read.
    Raises :class:`WalkbenchError` where there are no pictures, or fewer than two usable ones
    in a part.
    """
    listing = list_pictures(images)
    samples: list[Sample] = []
    skipped = list(listing.skipped)
    for entry in listing.entries:
        found = read(entry, size)
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            samples.append(found)
    return split(samples, "pictures", tokens, skipped, listing.source)

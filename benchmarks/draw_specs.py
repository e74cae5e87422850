"""Draw the UNets in README.md: the first and the last of the design walk.

Writes docs/images/unet-sdxl.svg and docs/images/unet-snapgen.svg. Expected: a few seconds.

    .venv/bin/python benchmarks/draw_specs.py
"""

from pathlib import Path

from search_space.atomic import write_file
from search_space.presets import named_spec
from studies.drawing.draw import draw

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DRAWN = {"unet-sdxl": ("sdxl", "SDXL"), "unet-snapgen": ("snapgen-t2i", "SnapGen, reconstructed")}


def main() -> None:
    for file, (spec, title) in DRAWN.items():
        path = IMAGES / f"{file}.svg"
        write_file(path, draw(named_spec(spec), title) + "\n")
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

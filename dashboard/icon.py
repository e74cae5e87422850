"""The page's icon: three steps down, drawn in code so that nothing is fetched.

>>> icon().size
(64, 64)
"""

from PIL import Image, ImageDraw

from studies.figures.style import FAMILY_COLOUR


def icon() -> Image.Image:
    """Return the icon, 64 × 64 pixels."""
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    for step, top in enumerate((8, 26, 44)):
        pen.rectangle((6 + 18 * step, top, 21 + 18 * step, 56), fill=FAMILY_COLOUR["M"])
    return image

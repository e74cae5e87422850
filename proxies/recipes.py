"""Recipes by name.

``adamw`` is the recipe of the validations up to 2026-11. Its best learning rate depends on the
design: networks with dense samplers need a lower one. ``fair`` orthogonalises the steps of
matrices, so that one rate is to suit every switch of a design; `benchmarks/recipe_fairness.py`
measures how well.

>>> RECIPES["fair"].optimizer, RECIPES["adamw"].optimizer
('muon', 'adamw')
"""

from proxies.recipe import Recipe

ADAMW = Recipe(learning_rate=6e-3, warm_up=50, betas=(0.9, 0.95), validation_images=512)
FAIR = Recipe(
    optimizer="muon",
    learning_rate=1.2e-2,
    warm_up=20,
    betas=(0.9, 0.95),
    cooldown=0.25,
    validation_images=512,
)
RECIPES = {"adamw": ADAMW, "fair": FAIR}

"""Training a whole design from its export: the recipe is `train.yaml`, the result an export."""

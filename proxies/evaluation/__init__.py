"""Judging drawn pictures: distances in named feature spaces, CLIP score, GenEval's tasks."""

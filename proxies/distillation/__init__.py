"""Training by a teacher: distillation at several levels, stage by stage, and to few steps."""

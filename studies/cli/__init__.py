"""The `walkbench` command: one module per command group, loaded without torch."""

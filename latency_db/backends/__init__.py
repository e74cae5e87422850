"""Ways of timing a block on a device, one module each; see `latency_db.backends.backend`."""

"""How long a network takes on a device: measured tables, estimates, published figures."""

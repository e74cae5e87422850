"""Other people's published iPhone latencies: the rows, and what the models in them are made of.

`README.md` beside this file is the data card. These figures calibrate estimates and stand beside
them; they are never a :class:`latency_db.latency.Latency` of a spec.
"""

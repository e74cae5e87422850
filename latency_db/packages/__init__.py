"""Whole networks as packages of a phone's runtimes: Core ML, Core AI, ONNX.

:mod:`.parts` cuts a network, :mod:`.weights` fills it, one module per runtime converts it, and
:mod:`.phone_check` says beforehand what will not map well.
"""

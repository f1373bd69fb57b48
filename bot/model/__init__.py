"""The neural network. Shapes are written with these letters:

B batch, S source length, T target length, E embedding size, H hidden size, L layers,
V vocabulary size. Sequences are batch first; a mask is ``True`` where to attend.

This package is compiled by TorchScript, which reads annotations at run time: no
``from __future__ import annotations`` and no ``X | None`` in a scripted signature.
"""

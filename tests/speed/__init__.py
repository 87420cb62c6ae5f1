"""Measurements of whole servers beside each other: this code, other checkouts of it, any DICOMweb server.

``python -m tests.speed.pictures`` for pictures and decoded frames, ``python -m tests.speed.products`` for what is made
of images when they come in. Each makes its own data and loads it through DICOMweb. Believe processor time first, then
ratios of one run: the servers take turns row by row, so that a machine that becomes slower does so for all of them.
"""

"""Studies made by script, of any size, for tests and benchmarks that need more than the corpus holds.

Everything follows from the numbers given: the same call makes the same bytes on every machine. ``python -m
tests.phantoms FOLDER`` writes a patient's collection and, beside it, what must come out again.
"""

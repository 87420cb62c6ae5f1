"""Collections of any size, for tests and benchmarks that need more than the corpus holds.

``python -m tests.phantoms FOLDER`` writes a patient's collection and, beside it, what must come out again.
"""

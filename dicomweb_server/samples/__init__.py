"""Studies made by script: the sample that a new server shows, and data of any size for tests and benchmarks.

Everything follows from the numbers given: the same call makes the same bytes on every machine.
"""

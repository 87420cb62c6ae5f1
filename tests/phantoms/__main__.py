"""Write a collection: ``python -m tests.phantoms FOLDER [--slices 300] [--size 512] [--visits 2] [--rle]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.phantoms.collection import Shape, write


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.phantoms", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slices", type=int, default=300, help="of the CT of every visit")
    parser.add_argument("--size", type=int, default=512, help="rows and columns of the CT")
    parser.add_argument("--visits", type=int, default=2, help="studies of the patient")
    parser.add_argument("--rle", action="store_true", help="compress losslessly")
    asked = parser.parse_args()
    files = write(asked.folder, Shape(slices=asked.slices, size=asked.size, visits=asked.visits, rle=asked.rle))
    print(f"{files} files in {asked.folder}; what their frames hold stands in truth.json")


main()

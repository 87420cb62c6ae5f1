"""A DICOMweb image server with a cache in the middle."""

__version__ = "0.1.0"

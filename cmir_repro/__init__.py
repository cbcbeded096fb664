"""Reproducibility companion for cross-modal image retrieval; the notebooks import it."""

__version__ = "0.1.0"

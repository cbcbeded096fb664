"""The page of all results, made from the ledger."""

from cmir_repro.report.results_page.build import content, page, write

__all__ = ["content", "page", "write"]

"""opswatch: it inspects, classifies, pages, climbs, and writes the log."""

__version__ = "0.1.0"

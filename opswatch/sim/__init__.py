"""Imagination: seeded worlds above the same core, and the laws that must hold in all of them."""

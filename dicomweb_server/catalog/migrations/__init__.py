"""Numbered steps of the schema; only ever added to. Run by ``catalog.database`` at open."""

"""Named sources, ingest, near-duplicates, splits and the store."""

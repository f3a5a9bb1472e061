"""A small shop on Django: the kind of site that the bridge migrates."""

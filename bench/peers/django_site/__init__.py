"""A Django site with DRF and SimpleJWT and nothing else: no admin, and no middleware that an API can do without."""

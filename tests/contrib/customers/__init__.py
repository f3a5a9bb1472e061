"""A site with user models of its own, for the tests that start one."""

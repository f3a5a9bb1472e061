"""A club whose members log in by e-mail: a site with a user model of its own."""

"""Codes that a user gives after the password: TOTP (RFC 6238) and recovery codes. Pure: no I/O, no framework."""

"""What a Django password is: parsing, verifying, and the value that should replace it. Pure: no framework, no I/O.

Import from the modules: the Django app needs two of them, and should not load the hashing libraries.
"""

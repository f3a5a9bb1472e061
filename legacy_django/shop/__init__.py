"""Products, orders and the pages and API that show them."""

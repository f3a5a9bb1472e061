"""The use cases. Each takes stores and pure parts, and knows neither HTTP nor SQL."""

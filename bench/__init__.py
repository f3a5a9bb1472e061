"""What is claimed of speed, measured: ``python -m bench CASE``. Only ratios within one run count."""

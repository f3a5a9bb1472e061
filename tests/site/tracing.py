"""Says whether a process of the service would trace, and whether it has imported what traces."""

import sys

from bridge.web.tracing import tracer_of_process

print(tracer_of_process() is not None, "opentelemetry.sdk.trace" in sys.modules)  # noqa: T201  # it is asked by its output

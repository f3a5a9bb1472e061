"""The shop with what SITE_VARIANT, a JSON object, says otherwise: as it ran last year, or will after a change."""

import json
import os

from tests.site.settings import *  # noqa: F403

globals().update(json.loads(os.environ["SITE_VARIANT"]))

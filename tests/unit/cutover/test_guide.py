"""What docs/endpoints.md says of the plan."""

import re
from pathlib import Path

from bridge.cutover import Plan, Stage

GUIDE = Path(__file__).parents[3] / "docs" / "endpoints.md"


def test_the_plan_of_the_guide_is_one():
    (text,) = re.findall(r"^```toml\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)

    plan = Plan.parse(text)

    orders = plan.of("GET /api/orders/{}/")
    assert Stage.MIGRATED in orders.allowed
    assert Stage.MIGRATED not in plan.of("GET /elsewhere/").allowed
    assert (orders.group.name, orders.group.allow.staff, orders.trip.errors) == ("orders", True, 0.01)

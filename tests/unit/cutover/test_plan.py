"""The plan in git."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cutover import AllowList, CanaryGroup, Comparison, OperationPlan, Plan, Stage, Trip
from bridge.errors import ConfigurationError

WHOLE_PLAN = """
[defaults]
stages = ["legacy", "shadow"]
group = "shop"

[defaults.comparison]
headers = ["Content-Type", "ETag"]
ignore = ["$.generated_at", "body:html/body/footer", "header:etag"]
float_tolerance = 1e-9
redact = ["Nickname"]

[defaults.tripping]
minimum = 200
window_seconds = 60

[groups.shop]
staff = true
groups = ["beta"]
users = [7, "3f0e2a54-8d59-4c0d-9f3a-0d3b3c1f6a11"]

[groups.reports]
salt = "shop"

[operations."GET /orders/{order_id}/"]
stages = ["shadow", "canary", "migrated", "retired"]

[operations."GET /orders/{order_id}/".comparison]
unordered = ["$.items"]
timestamps = ["$..created_at"]
keep_values = true
keep_days = 3

[operations."GET /orders/{order_id}/".tripping]
errors = 0.01
slowness = 2
mismatches = 0

[operations."POST /reports/"]
group = "reports"
"""


def test_without_a_file_every_stage_is_allowed_but_the_one_without_a_way_back():
    assert Plan().of("GET /anything/").allowed == set(Stage) - {Stage.RETIRED}


def test_an_empty_file_is_as_none():
    assert Plan.parse("") == Plan()


def test_an_operation_that_is_named_takes_what_it_does_not_say_from_the_defaults():
    shop = CanaryGroup(
        "shop",
        salt="shop",
        allow=AllowList(
            staff=True, groups=frozenset({"beta"}), users=frozenset({"7", "3f0e2a54-8d59-4c0d-9f3a-0d3b3c1f6a11"})
        ),
    )
    assert Plan.parse(WHOLE_PLAN).of("GET /orders/{}/") == OperationPlan(
        allowed=frozenset(Stage),
        group=shop,
        comparison=Comparison(
            headers=("content-type", "etag"),
            ignore=("$.generated_at", "body:html/body/footer", "header:etag"),
            unordered=("$.items",),
            float_tolerance=1e-9,
            timestamps=("$..created_at",),
            keep_values=True,
            redact=("nickname",),
            keep_days=3,
        ),
        trip=Trip(minimum=200, errors=0.01, slowness=2, mismatches=0, window=timedelta(minutes=1)),
    )


def test_an_operation_that_is_not_named_has_the_defaults():
    plan = Plan.parse(WHOLE_PLAN)
    assert plan.of("GET /elsewhere/") == plan.defaults
    assert plan.defaults.allowed == {Stage.LEGACY, Stage.SHADOW}


def test_groups_of_one_salt_keep_a_user_on_one_side():
    plan = Plan.parse(WHOLE_PLAN)
    assert plan.of("POST /reports/").group.salt == plan.of("GET /orders/{}/").group.salt


def test_the_group_of_operations_that_name_none_can_be_described():
    group = Plan.parse("[groups.default]\nstaff = true").of("GET /orders/").group
    assert group == CanaryGroup("default", salt="default", allow=AllowList(staff=True))


@pytest.mark.parametrize("stages", ["[]", '["retired"]', '["canary"]'])
def test_the_way_back_is_always_allowed(stages: str):
    plan = Plan.parse(f'[operations."GET /orders/"]\nstages = {stages}')
    assert Stage.LEGACY in plan.of("GET /orders/").allowed


OPERATION = '[operations."GET /a/{id}/"]\n'


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("[defaults\n", "the plan is no TOML: Expected ']' at the end of a table declaration (at line 1, column 10)"),
        ("a = " + "[" * 3_000, "the plan is no TOML"),
        ("#" * 1_000_001, "the plan is longer than 1000000 characters. Say under [defaults] what most"),
        ("[default]", "default is no key of the plan. Did you mean defaults?"),
        ("[zzz]", "zzz is no key of the plan. It can be defaults, groups, operations."),
        ('"a\\nb" = 1', r'"a\nb" is no key of the plan'),
        ("defaults = 1", "defaults is no table. Write [defaults]"),
        ("[defaults]\nstage = []", "defaults.stage is no key of the plan. Did you mean stages?"),
        ('[defaults]\nstages = ["canery"]', "defaults.stages has 'canery', which is none. Did you mean canary?"),
        ('[defaults]\nstages = "canary"', 'defaults.stages is no list of texts. Write ["…", "…"]'),
        ("[defaults]\nstages = [1]", "defaults.stages is no list of texts"),
        ('[defaults]\nstages = ["retired"]', "defaults.stages allows retired. Allow it to operations by name"),
        ('[defaults]\ngroup = "ordres"\n[groups.orders]', "is none of [groups]: 'ordres'. Did you mean orders?"),
        ("[groups.orders]\nstaff = 1", "groups.orders.staff is neither true nor false. Write true or false"),
        ("[groups.orders]\nsalt = ''", "groups.orders.salt is no text. Write 1 to 255 characters in quotes"),
        ("[groups.orders]\nusers = [true]", "groups.orders.users is no list of texts"),
        ("[groups.orders]\nusers = 7", "groups.orders.users is no list of texts"),
        ("[groups.orders]\ngroups = [" + "'a'," * 501 + "]", "at most 500 of at most 255 characters"),
        ('[operations."HEAD /a/"]', 'operations."HEAD /a/" names no operation. Write a method (HEAD follows GET)'),
        (OPERATION + '[operations."GET /a/{pk}/"]', 'operations."GET /a/{pk}/" is there twice'),
        (OPERATION + "shadow_unsafe = true", 'operations."GET /a/{id}/".shadow_unsafe is no key of the plan'),
        ("[defaults.tripping]\nerrors = 5", "defaults.tripping.errors is out of bounds. Write a number from 0 to 1"),
        ("[defaults.tripping]\nerrors = '5%'", "defaults.tripping.errors is out of bounds"),
        ("[defaults.tripping]\nerrors = nan", "defaults.tripping.errors is out of bounds"),
        ("[defaults.tripping]\nslowness = inf", "defaults.tripping.slowness is out of bounds"),
        ("[defaults.tripping]\nminimum = 0", "minimum is out of bounds. Write a whole number from 1 to 1000000"),
        ("[defaults.tripping]\nminimum = true", "minimum is out of bounds"),
        ("[defaults.tripping]\nminimum = 2.5", "minimum is out of bounds"),
        ("[defaults.tripping]\nwindow = 60", "window is no key of the plan. Did you mean window_seconds?"),
        ("[defaults.comparison]\nignore = ['$.items[0]']", "ignore has '$.items[0]', which is no place. Write places"),
        ("[defaults.comparison]\nunordered = ['body']", "unordered has 'body', which is no place"),
        ("[defaults.comparison]\nheaders = ['a b']", "headers has 'a b', which is no header"),
        ("[defaults.comparison]\nfloat_tolerance = 1", "tolerance is out of bounds. Write a number from 0 to 0.1"),
        ("[defaults.comparison]\nkeep_days = 3650", "keep_days is out of bounds. Write a whole number from 1 to 365"),
    ],
    ids=[
        "no TOML", "too deep", "too long", "a table's name", "nothing like it", "two lines", "no table", "a key's name",
        "no stage", "a stage for stages", "a number for a stage", "retired for all", "no group", "a number for a flag",
        "an empty salt", "a flag for a user", "a user for users", "too many groups", "no operation",
        "one operation twice", "what is not offered", "per cent", "a text for a number", "no number", "infinite",
        "none at all", "a flag for a number", "half an answer", "a key without its unit", "an index", "no JSON",
        "no header", "too tolerant", "too long kept",
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_cure(text: str, refusal: str):
    with pytest.raises(ConfigurationError) as refused:
        Plan.parse(text)
    assert refusal in str(refused.value)
    assert "\n" not in str(refused.value)


@settings(deadline=None, derandomize=True, database=None)
@given(st.text(max_size=300))
def test_no_text_gets_another_answer_than_a_plan_or_a_refusal(text: str):
    try:
        plan = Plan.parse(text)
    except ConfigurationError:
        return
    assert isinstance(plan, Plan)

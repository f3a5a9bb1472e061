"""The work done for accounts that do not exist, whatever the site accepts."""

import time
from collections.abc import Callable

from bridge.passwords.decoy import decoy_value
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.policy import PasswordPolicy, Verification
from tests.conftest import PASSWORD

COSTLY = Argon2Parameters(time_cost=16, memory_cost=4096, parallelism=1)


def cpu_seconds(work: Callable[[], object]) -> float:
    """The thread's own time, the least of three: other processes cannot add to it by much."""
    taken = []
    for _ in range(3):
        before = time.thread_time()
        work()
        taken.append(time.thread_time() - before)
    return min(taken)


def test_a_decoy_is_worked_on_where_the_site_has_no_argon2():
    decoy = decoy_value(COSTLY)
    without, with_argon2 = PasswordPolicy(target=COSTLY, accepted={"pbkdf2_sha256"}), PasswordPolicy(target=COSTLY)

    skipped = cpu_seconds(lambda: without.verify(PASSWORD, decoy))
    worked = cpu_seconds(lambda: without.verify_decoy(PASSWORD, decoy))
    real = cpu_seconds(lambda: with_argon2.verify(PASSWORD, decoy))

    assert skipped < real / 5 < worked


def test_a_decoy_lets_nobody_in_even_with_a_password_that_matches_it():
    policy = PasswordPolicy(target=COSTLY, accepted={"pbkdf2_sha256"})

    assert policy.verify_decoy(PASSWORD, policy.hash(PASSWORD)) == Verification(valid=False, algorithm=None)

"""How sure a share of matches is, given how many were seen."""

from math import sqrt

__all__ = ["lower_bound"]


def lower_bound(matches: int, total: int, *, z: float = 1.96) -> float:
    """Give the lower end of Wilson's score interval for ``matches / total``: 0.0 for none.

    1.96 is 95 % confidence, two-sided (E. B. Wilson, 1927). It stays below 1 however many match, and rises with each.

    Raises:
        ValueError: there are more matches than comparisons, or fewer than none.
    """
    if not 0 <= matches <= total:
        raise ValueError(f"{matches} of {total} is no share")
    if not matches:
        return 0.0
    share, weight = matches / total, z * z / total
    margin = z * sqrt((share * (1 - share) + weight / 4) / total)
    return max(0.0, (share + weight / 2 - margin) / (1 + weight))

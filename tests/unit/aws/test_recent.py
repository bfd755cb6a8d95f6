"""What is kept in process, and what of it has to go."""

from cryptopulse.aws.recent import Recent


def test_what_was_used_last_stays() -> None:
    kept: Recent[str, int] = Recent(100)
    for number, key in enumerate("abc"):
        kept.put(key, number, 30)
    assert kept.get("a") == 0
    kept.put("d", 3, 30)
    assert [kept.get(key) for key in "abcd"] == [0, None, 2, 3]
    assert (len(kept), kept.used) == (3, 90)


def test_a_value_takes_the_place_of_the_one_before() -> None:
    kept: Recent[str, int] = Recent(100)
    kept.put("a", 1, 60)
    kept.put("a", 2, 40)
    assert (kept.get("a"), len(kept), kept.used) == (2, 1, 40)


def test_what_is_larger_than_the_room_is_not_kept() -> None:
    kept: Recent[str, int] = Recent(100)
    kept.put("a", 1, 101)
    assert (kept.get("a"), len(kept), kept.used) == (None, 0, 0)

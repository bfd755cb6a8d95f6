"""What the soak run takes for lost, doubled or unexplained."""

import pytest

from local.soak import Journal, Outcome, Verdict, judge


@pytest.mark.parametrize(
    ("outcome", "count", "expected"),
    [
        pytest.param("accepted", 1, Verdict([], [], []), id="accepted and there"),
        pytest.param("accepted", 0, Verdict(["m"], [], []), id="accepted and lost"),
        pytest.param("accepted", 2, Verdict([], ["m"], []), id="accepted and doubled"),
        pytest.param("unknown", 0, Verdict([], [], []), id="never told, not there"),
        pytest.param("unknown", 1, Verdict([], [], []), id="never told, there"),
        pytest.param("unknown", 2, Verdict([], ["m"], []), id="never told, doubled"),
        pytest.param("refused", 0, Verdict([], [], []), id="refused"),
        pytest.param("refused", 1, Verdict([], [], ["m"]), id="refused and there"),
    ],
)
def test_what_was_accepted_is_there_once_and_anything_else_at_most_once(
    outcome: Outcome, count: int, expected: Verdict
) -> None:
    assert judge({"m": outcome}, {"m": count} if count else {}) == expected


def test_what_nobody_sent_is_invented() -> None:
    assert judge({}, {"m": 1}) == Verdict([], [], ["m"])


@pytest.mark.parametrize(
    ("fault", "sent", "answered", "is_excused"),
    [
        pytest.param("dynamodb failing", 12, 13, True, id="while it lasts"),
        pytest.param("dynamodb failing", 9, 11, True, id="it begins meanwhile"),
        pytest.param("dynamodb failing", 15, 17, True, id="it ends meanwhile"),
        pytest.param("dynamodb failing", 8, 9, False, id="before"),
        pytest.param("dynamodb failing", 17, 18, False, id="after"),
        pytest.param("Users killed", 12, 13, True, id="a function that answers"),
        pytest.param("FanOut killed", 12, 13, False, id="one that does not"),
        pytest.param("kinesis failing", 12, 13, False, id="what answers do not need"),
    ],
)
def test_an_error_is_excused_by_a_fault_of_its_time_alone(
    fault: str, sent: float, answered: float, is_excused: bool
) -> None:
    journal = Journal()
    journal.fault(fault, 10, 6)
    journal.answered("GET /prices", 503, sent, answered)
    journal.answered("GET /prices", 404, sent, answered)
    journal.sort()
    assert journal.excused == ({fault: 1} if is_excused else {})
    assert len(journal.unexcused) == (not is_excused)

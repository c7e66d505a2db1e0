from __future__ import annotations

import pandas as pd
import pytest

from outcomes.errors import DataError, SpecError
from outcomes.study.expression import parse, select

FRAME = pd.DataFrame(
    {
        "ARMCD": pd.Series(["A", "B", "", "A"], dtype="str"),
        "AGE": [30.0, 40.0, 50.0, None],
        "N": pd.array([1, 2, None, 4], dtype="Int64"),
    }
)


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        ("ARMCD == 'A'", [0, 3]),
        ("ARMCD != 'A'", [1]),
        ("ARMCD != ''", [0, 1, 3]),
        ("ARMCD == ''", [2]),
        ("AGE >= 40", [1, 2]),
        ("not AGE >= 40", [0, 3]),
        ("AGE < 40 or N == 4", [0, 3]),
        ("ARMCD in ['A', 'B'] and AGE > 30", [1]),
        ("ARMCD not in ['A']", [1]),
        ("N not in [1]", [1, 3]),
        ("not (ARMCD == 'A' and AGE > 10)", [1, 2, 3]),
        ("AGE > -1.5", [0, 1, 2]),
    ],
)
def test_an_expression_selects_rows(source: str, rows: list[int]) -> None:
    assert FRAME.index[select(parse(source), FRAME)].tolist() == rows


@pytest.mark.parametrize(
    "source",
    [
        "print('x')",
        "ARMCD.upper() == 'A'",
        "(lambda: 1)() == 1",
        "[x for x in (1,)]",
        "ARMCD == AGE",
        "'A' == ARMCD",
        "1 < AGE < 3",
        "AGE + 1 == 2",
        "ARMCD is 'A'",
        "ARMCD",
        "AGE == True",
        "AGE == None",
        "ARMCD in 'AB'",
        "ARMCD in ['A', ['B']]",
        "ARMCD == f'{AGE}'",
        "ARMCD[0] == 'A'",
        "(x := AGE) == 1",
        "",
        "AGE == 1; import os",
        "AGE == " + "9" * 3000,
        "AGE == 1j",
        "await AGE",
    ],
)
def test_anything_else_does_not_parse(source: str) -> None:
    with pytest.raises(SpecError):
        parse(source)


def test_unknown_columns_and_mixed_kinds_are_named() -> None:
    with pytest.raises(DataError, match="Did you mean 'ARMCD'"):
        select(parse("ARMC == 'A'"), FRAME)
    with pytest.raises(DataError, match="AGE is a number"):
        select(parse("AGE == 'A'"), FRAME)
    with pytest.raises(DataError, match="ARMCD is text"):
        select(parse("ARMCD > 1"), FRAME)


@pytest.mark.parametrize(
    ("source", "hinted"),
    [
        ("NMAJDEV = 0", True),
        ("AGE >= 18 and ARMCD = 'A'", True),
        ("ARMCD == 'a=b' and", False),
        ("AGE >=", False),
        ("AGE != 1 or AGE <=", False),
    ],
)
def test_a_single_equals_sign_is_hinted_at(source: str, hinted: bool) -> None:
    with pytest.raises(SpecError) as raised:
        parse(source)
    assert ("Equality is written ==" in str(raised.value)) == hinted

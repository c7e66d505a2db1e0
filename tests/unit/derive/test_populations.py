from __future__ import annotations

import pytest
from trials import dose, study, subject, tables

from outcomes.derive import derive_adsl
from outcomes.errors import DataError

SDTM = tables(
    dm=[subject("A", AGE=40), subject("B", "LOW", AGE=17), subject("C", "SCRNFAIL")],
    ex=[dose("A")],
)


def flags(**populations: str) -> dict[str, list[str]]:
    adsl = derive_adsl(study(populations=populations), SDTM).frame
    return {id: adsl[f"{id}FL"].tolist() for id in populations}


def test_populations_are_flags_y_and_n() -> None:
    assert flags(
        FAS="RANDFL == 'Y'",
        SAF="TRTFL == 'Y' and not SCRNFFL == 'Y'",
        OLD="AGE >= 18 or ARMCD in ['LOW']",
        EMPTY="RESCDT != ''",
    ) == {
        "FAS": ["Y", "Y", "N"],
        "SAF": ["Y", "N", "N"],
        "OLD": ["Y", "Y", "N"],
        "EMPTY": ["N", "N", "N"],
    }


def test_a_population_may_use_another_whatever_the_order() -> None:
    assert flags(PPS="FASFL == 'Y' and NMAJDEV == 0", FAS="TRTFL == 'Y'") == {
        "PPS": ["Y", "N", "N"],
        "FAS": ["Y", "N", "N"],
    }


def test_all_problems_are_named_at_once_with_the_nearest_column() -> None:
    with pytest.raises(DataError) as caught:
        flags(A="RANDLF == 'Y'", B="AGE > 'x'", C="TRTFL == 1", RAND="AGE > 1")
    text = str(caught.value)
    assert "populations.A: column: 'RANDLF' is not known" in text
    assert "Did you mean 'RANDFL'?" in text
    assert "populations.RAND: RANDFL is a column of ADSL already" in text
    with pytest.raises(DataError) as caught:
        flags(B="AGE > 'x'", C="TRTFL == 1")
    assert "populations.B: AGE is a number" in str(caught.value)
    assert "populations.C: TRTFL is text" in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "__import__('os').system('true')",
        "RANDFL.str.len() == 1",
        "RANDFL[0] == 'Y'",
        "AGE + 1 > 2",
        "AGE == AGE",
        "(lambda: 1)() == 1",
        "f'{RANDFL}' == 'Y'",
        "RANDFL == 'Y' if AGE else 1",
        "True",
        "RANDFL = 'Y'",
        "not " * 600 + "AGE > 1",
        "@RANDFL == 'Y'",
        "",
    ],
)
def test_what_is_no_comparison_is_refused(source: str) -> None:
    with pytest.raises(DataError, match=r"populations\.X"):
        derive_adsl(study().model_copy(update={"populations": {"X": source}}), SDTM)


def test_populations_defined_by_each_other_are_refused() -> None:
    with pytest.raises(DataError, match="A, B are defined by each other"):
        flags(A="BFL == 'Y'", B="AFL == 'Y'")

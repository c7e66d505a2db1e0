"""Time whole MMRM calls: design matrix, fit, inference and coefficient table.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/mmrm.py [folder of the reference data]

Prints the best of four wall times per row. Rows on public data sets need the folder
that holds ``fev_data.csv`` and ``bcva_data.csv``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from outcomes.models import fit_mmrm, tidy
from unit.models.trials import make_trial


def seconds(
    data: pd.DataFrame, formula: str, subject: str, visit: str, df: str
) -> float:
    best = float("inf")
    levels = {
        name: sorted(data[name].unique(), key=lambda text: (len(text), text))
        for name in [visit]
        if not pd.api.types.is_numeric_dtype(data[name])
    }
    for _ in range(4):
        start = time.perf_counter()
        tidy(
            fit_mmrm(formula, data, subject=subject, visit=visit, df=df, levels=levels)
        )
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        fev = pd.read_csv(folder / "fev_data.csv")
        model = "FEV1 ~ RACE + SEX + ARMCD*AVISIT"
        taken = seconds(fev, model, "USUBJID", "AVISIT", "kenward-roger")
        print(f"fev_data 197 x 4 kenward-roger {taken:.3f}")
        bcva = pd.read_csv(folder / "bcva_data.csv")
        model = "BCVA_CHG ~ BCVA_BL + RACE + ARMCD*AVISIT"
        for df in ("satterthwaite", "kenward-roger"):
            taken = seconds(bcva, model, "USUBJID", "AVISIT", df)
            print(f"bcva_data 1000 x 10 {df} {taken:.3f}")
    for n, visits, df in (
        (10_000, 8, "satterthwaite"),
        (10_000, 8, "kenward-roger"),
        (100_000, 6, "satterthwaite"),
    ):
        data = make_trial(n=n, visits=tuple(range(1, visits + 1)))
        model = "change ~ base + site + arm*week"
        taken = seconds(data, model, "subject", "week", df)
        print(f"{n} x {visits} {df} {taken:.3f}")


if __name__ == "__main__":
    main()

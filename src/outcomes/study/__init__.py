"""The study file: its keys, its validation, its schema."""

from outcomes.study.load import Problem, StudyFile, load_study, read_study
from outcomes.study.spec import Study

__all__ = ["Problem", "Study", "StudyFile", "load_study", "read_study"]

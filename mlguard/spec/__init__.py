"""The YAML surface: text files to validated, positioned, frozen models. No SQL, no driver, no expression parsing."""

from mlguard.spec.models import SloFile
from mlguard.spec.project import Project, load_project, read_project

__all__ = ["Project", "SloFile", "load_project", "read_project"]

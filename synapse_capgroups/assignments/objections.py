"""Why an assignment is not planned or applied."""


class NoSuchAssignmentError(Exception):
    """The series has no such assignment."""


class OtherPlanError(Exception):
    """The hash is not that of the plan: somebody has seen another one."""


class SeriesHasChangedError(Exception):
    """The plan cannot be carried out any more: groups that it names are others by now."""

"""What is refused on the way from facts to a request and from model text to a plan.

    RejectedError
    └── MalformedError
        ├── RequestError                 the program or the facts make no request
        └── PlanError                    the model's text is no plan
            ├── PlanTooLargeError
            ├── PlanSyntaxError          not JSON, duplicate keys, too deep
            ├── PlanFieldsError          a field is missing, unknown or mistyped
            ├── PlanWhyError             the reason is empty, too long or not plain
            ├── PlanActionCountError     none, too many, or hold beside another
            ├── PlanActionUnknownError   an action the program does not have
            ├── PlanArgumentError        an argument is out of range or not a name
            └── PlanDuplicateError       the same action on the same assets twice

Each carries `what`, `got` and `expected`. None is worth a retry: the same request gives
the same text.
"""

from __future__ import annotations

from affiant.errors import MalformedError


class RequestError(MalformedError):
    """The program's manifest or the facts cannot be put into a request."""


class PlanError(MalformedError):
    """The model's text is not a plan of this program."""


class PlanTooLargeError(PlanError):
    """The text is longer than any plan."""


class PlanSyntaxError(PlanError):
    """The text is not one JSON value."""


class PlanFieldsError(PlanError):
    """A field is missing, unknown, or has another type than the schema says."""


class PlanWhyError(PlanError):
    """The reason is empty, too long, or holds more than printable ASCII."""


class PlanActionCountError(PlanError):
    """The plan has no action, too many, or a hold beside another action."""


class PlanActionUnknownError(PlanError):
    """The plan names an action that the program does not have."""


class PlanArgumentError(PlanError):
    """An argument is out of range or names nothing in the address book."""


class PlanDuplicateError(PlanError):
    """The plan does the same thing to the same assets twice."""

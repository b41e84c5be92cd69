"""The errors that this package raises, all below :class:`ContactsError`.

None derives from ``AirflowException``: Airflow turns an ``AirflowException`` that leaves a deferred
sensor with ``soft_fail`` into a skip, and a broken key is not a skip.

Messages name what happened, where, and what to mend. They never hold a credential, a query, a request
body or personal data.
"""

from __future__ import annotations


class ContactsError(Exception):
    """Anything that went wrong between a DAG and a vendor.

    :param message: what happened, where, and what to do next.
    :param retry_after: seconds that the vendor asks to wait before the next try, where it says so.
    :param transient: whether the same request may succeed if it is sent again.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, transient: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.transient = transient


class InvalidConnection(ContactsError):
    """The Airflow connection lacks something, has the wrong type, or leads somewhere it must not."""


class AuthenticationError(ContactsError):
    """The vendor does not accept the credentials."""


class PermissionDenied(ContactsError):
    """The credentials are good, but not for this."""


class NotFound(ContactsError):
    """The vendor does not know what was asked for."""


class InvalidRequest(ContactsError):
    """A filter, an argument or a request is wrong; sending it again cannot help."""


class UnsupportedByVendor(ContactsError):
    """This vendor's API cannot do what was asked.

    :param condition: the name of the condition that it cannot tell, where it is one.
    """

    def __init__(self, message: str, *, condition: str | None = None) -> None:
        super().__init__(message)
        self.condition = condition


class RateLimited(ContactsError):
    """The vendor asks to slow down; ``retry_after`` is its wait in seconds, or None."""


class QuotaExhausted(ContactsError):
    """The account has used up what it paid for; waiting does not help."""


class VendorUnavailable(ContactsError):
    """The vendor cannot be reached or fails on its side."""


class MalformedResponse(ContactsError):
    """The vendor's answer is not what its API page describes."""


class IncompleteListing(MalformedResponse):
    """A listing cannot be shown to be complete."""


class MalformedRecord(MalformedResponse):
    """One record cannot be told from another, because it has no id.

    :param message: which record of which request.
    :param raw: the record's own bytes. They are personal data and in no message.
    """

    def __init__(self, message: str, raw: bytes = b"") -> None:
        super().__init__(message)
        self.raw = raw

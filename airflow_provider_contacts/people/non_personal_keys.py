"""Recognize e-mail addresses and phone numbers that do not identify one person."""

from __future__ import annotations

import re

# The part before the at sign. Add names in lower case; everything but the letters a-z is ignored.
ROLE_MAILBOXES = frozenset(
    """
    abuse accounting accounts admin administracion administration administrator anfrage ap apply ar billing board
    booking bookings buero business careers ceo comercial compliance compras contabilidad contact contacto contactus
    contato customercare customerservice customersupport donotreply email empfang enquiries enquiry events facturacion
    feedback finance frontdesk general hallo hello help helpdesk hi hola hostmaster hr info information infos
    inquiries inquiry invoice invoices it jobs karriere kontakt legal mail mailbox mailerdaemon management marketing
    media na news newsletter noc noemail nomail none noreply null office oficina operations ops order orders partner
    partners post postmaster press presse privacy procurement purchasing recepcion reception rechnung recruiting
    recruitment rh root sales secretariat security service services shop spam staff store subscribe support team tech
    test unknown unsubscribe ventas verkauf vertrieb webmaster welcome
    """.split()  # noqa: SIM905 - too many words for a list
)

_NOT_LETTERS = re.compile(r"[^a-z]+")
_MIN_TEST_DIGITS = 6
_RISING = "01234567890123456789"
_FALLING = _RISING[::-1]


def is_role_mailbox(email: str) -> bool:
    """Return whether a normalized address belongs to a role, or to no one person, such as ``info@`` or ``noreply@``."""
    local_part = email.rpartition("@")[0].partition("+")[0]
    return _NOT_LETTERS.sub("", local_part) in ROLE_MAILBOXES


def is_placeholder_phone(phone: str) -> bool:
    """Return whether a number in E.164 is a placeholder: its last digits are all the same, or count up or down."""
    end = phone[-_MIN_TEST_DIGITS:]
    return len(set(end)) == 1 or end in _RISING or end in _FALLING

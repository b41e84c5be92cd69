"""Recognize addresses, numbers and profiles that do not identify one person."""

from __future__ import annotations

import re
import unicodedata

# The part before the at sign, or its first word. Add names in lower case and without accents.
ROLE_MAILBOXES = frozenset(
    """
    abuse accounting accounts accueil admin administracion administration administrator amministrazione
    anfrage ap apply ar atendimento billing board booking bookings buero bureau buro business careers ceo
    comercial compliance compras comptabilite contabilidad contact contacto contactus contato customercare
    customerservice customersupport donotreply email empfang enquiries enquiry events example facturacion
    facturation feedback finance financeiro frontdesk general hallo hello help helpdesk hi hola hostmaster
    hr info information infos inquiries inquiry invoice invoices it jobs karriere kontakt kundendienst
    kundenservice legal mail mailbox mailerdaemon management marketing media na news newsletter no nobody
    noc noemail nomail none noreply null office oficina operations ops order orders partner partners
    payments post postmaster praxis press presse privacy procurement purchasing recepcion reception
    rechnung recruiting recruitment rh root sales secretaria secretariat security segreteria sekretariat
    service services shop spam staff store subscribe suporte support team tech test ufficio unknown
    unsubscribe user vendite ventas verkauf vertrieb verwaltung webmaster welcome zentrale
    """.split()  # noqa: SIM905 - too many words for a list
)
# What forms and imports write in place of a handle.
PLACEHOLDER_PROFILES = frozenset(
    (
        "example",
        "me",
        "n-a",
        "na",
        "nan",
        "nil",
        "none",
        "null",
        "profile",
        "test",
        "undefined",
        "unknown",
        "username",
        "your-name",
    )
)

_NOT_LETTERS = re.compile(r"[^a-z]+")
# Shorter words are names of people too: Na Li.
_MIN_FIRST_WORD_LENGTH = 4
_MIN_PLACEHOLDER_DIGITS = 6
_RISING = "01234567890123456789"
_FALLING = _RISING[::-1]


def is_role_mailbox(email: str) -> bool:
    """Return whether a normalized address belongs to a role, such as ``info@``."""
    local_part = email.rpartition("@")[0].partition("+")[0]
    if not local_part.isascii():
        local_part = "".join(
            char for char in unicodedata.normalize("NFKD", local_part) if not unicodedata.combining(char)
        )
    words = [word for word in _NOT_LETTERS.split(local_part) if word]
    first = words[0] if words and len(words[0]) >= _MIN_FIRST_WORD_LENGTH else ""
    return first in ROLE_MAILBOXES or "".join(words) in ROLE_MAILBOXES


def is_placeholder_profile(handle: str) -> bool:
    """Return whether a normalized handle is what forms and imports write if there is none."""
    return handle in PLACEHOLDER_PROFILES


def is_placeholder_phone(phone: str) -> bool:
    """Return whether the last digits of an E.164 number are all the same, or count."""
    end = phone.partition(";")[0][-_MIN_PLACEHOLDER_DIGITS:]
    return len(set(end)) == 1 or end in _RISING or end in _FALLING


def is_company_phone(phone: str) -> bool:
    """Return whether people do not have such a number: toll-free, shared cost, premium rate."""
    import phonenumbers

    kinds = phonenumbers.PhoneNumberType
    kind = phonenumbers.number_type(phonenumbers.parse(phone.partition(";")[0]))
    return kind in (kinds.TOLL_FREE, kinds.SHARED_COST, kinds.PREMIUM_RATE, kinds.UAN)

"""Normalize e-mail addresses, phone numbers and LinkedIn profiles of several vendors."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from airflow_provider_contacts.errors import InvalidRequest

# The fields of a contact that identify a person. The country says how to read the phone number.
IDENTITY_FIELDS = ("email", "phone", "country", "linkedin_url")

_ADDRESS = re.compile(r"[^@\s,;:<>()\[\]\"|]+@[^@\s,;:<>()\[\]\"|/\\]+")
_NAME_AND_ADDRESS = re.compile(r"[^<>@]*<([^<>]+)>")
# What separates several addresses, or several numbers, in one field. A semicolon may start an
# extension.
_BETWEEN_ADDRESSES = re.compile(r"[\s,;:|/\\<>()\[\]\"]+")
_BETWEEN_NUMBERS = re.compile(r"[,|/\n]|;(?! *ext)")
# Shorter ones are extensions.
_MIN_DIGITS = 7
# What is dialed in place of the plus sign: in most countries, and in North America too.
_PREFIX = re.compile(r"\s*00")
_ANY_PREFIX = re.compile(r"\s*(?:00|011)")
# A country code in front of a number, without a plus sign, as Mailstand writes it: `1 (202)
# 555-0180`.
_COUNTRY_CODE = re.compile(r"([1-9][0-9]{0,2}) ?\(")
# Vendors' samples use these instead of ISO 3166 alpha-2 codes.
_REGION_ALIASES = {
    "": "",
    "AMERICA": "US",
    "ENGLAND": "GB",
    "GREAT BRITAIN": "GB",
    "SCOTLAND": "GB",
    "U.K.": "GB",
    "U.S.": "US",
    "U.S.A.": "US",
    "UK": "GB",
    "USA": "US",
    "WALES": "GB",
}
_MEMBER_ID = re.compile(r"ACoAA[\w-]{10,}", re.ASCII)


def normalize_email(text: str | None) -> str | None:
    """Return an address in lower case with an ASCII domain (IDNA), or None for other text."""
    if (parts := _split_email(text)) is None:
        return None
    email = f"{parts[0]}@{_to_ascii_domain(parts[1])}".lower()
    # IDNA turns some characters of a domain into a space and an accent.
    return email if _ADDRESS.fullmatch(email) else None


def list_emails(text: str | None) -> list[str]:
    """Return all addresses in a text such as ``a@x.example; b@x.example (private)``."""
    return list(dict.fromkeys(filter(None, map(normalize_email, _split_emails(text)))))


def list_possible_emails(text: str | None) -> list[str]:
    """Return all addresses in a text, also in the older IDNA, in which ``ß`` is ``ss``."""
    older = [
        f"{local_part}@{_to_older_ascii_domain(domain)}".lower()
        for local_part, domain in filter(None, map(_split_email, _split_emails(text)))
    ]
    found = list_emails(text)
    return list(dict.fromkeys([*found, *older])) if found else []


def normalize_phone(phone: str | None, country: str | None, default_region: str = "") -> str | None:
    """Return a number in E.164, with ``;ext=`` and an extension, or None if it is invalid.

    :param phone: a number in any notation.
    :param country: name or code of the contact's country.
    :param default_region: ISO 3166 alpha-2 code of the country of contacts without one.
    """
    if not phone:
        return None
    return _parse_with_country_code(phone) or _to_certain_e164(phone, _choose_region(country, default_region))


def list_certain_phones(phone: str | None, country: str | None, default_region: str = "") -> list[str]:
    """Return the E.164 numbers in a text whose country is known: by ``+``, ``00`` or the country.

    :param country: name or code of the contact's country.
    :param default_region: ISO 3166 alpha-2 code of the country of contacts without one.
    """
    region = _choose_region(country, default_region)
    whole, *parts = _split_phones(phone, region)
    number = _to_certain_e164(whole, region)
    # A long extension is a second number.
    if number is not None and len(number.partition(";ext=")[2]) < _MIN_DIGITS:
        return [number]
    return list(dict.fromkeys(filter(None, (_to_certain_e164(part, region) for part in parts))))


def list_possible_phones(phone: str | None, country: str | None) -> list[str]:
    """Return all E.164 numbers that a text may stand for. Vendors may omit the plus sign."""
    region = find_region(country)
    readings = []
    for part in _split_phones(phone, region):
        readings += [normalize_phone(part, country), _to_e164(part, region)]
        readings.append(_to_e164(_ANY_PREFIX.sub("+", part, count=1), ""))
        if not part.startswith(("+", "00")):
            readings.append(_to_e164(f"+{part}", ""))
    found = [number for number in readings if number]
    # The number without its extension comes last.
    return list(dict.fromkeys([*found, *map(remove_extension, found)]))


def remove_extension(number: str) -> str:
    """Return an E.164 number without its extension."""
    return number.partition(";")[0]


def normalize_linkedin(url: str | None) -> str | None:
    """Return the handle of a LinkedIn profile in lower case, or None for other text.

    Ids of members, which some exports have in place of a handle, keep their case.
    """
    url = _clean(url)
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    if host != "linkedin.com" and not host.endswith(".linkedin.com"):
        return None
    folder, _, rest = parts.path.strip("/").partition("/")
    if folder.lower() != "in" or not rest:
        return None
    handle = _clean(unquote(rest.split("/")[0]))
    return handle if is_member_id(handle) else handle.lower() or None


def list_possible_profiles(url: str | None) -> list[str]:
    """Return the handle of a LinkedIn profile, and its lower-case form if it is a member id."""
    handle = normalize_linkedin(url)
    return [] if handle is None else list(dict.fromkeys((handle, handle.lower())))


def is_member_id(handle: str) -> bool:
    """Return whether a handle is LinkedIn's id of a member, which a profile has too."""
    return _MEMBER_ID.fullmatch(handle) is not None


def find_region(country: str | None) -> str:
    """Return the ISO 3166 alpha-2 code of a country, by code or name, or an empty string."""
    return _find_region((country or "").strip().upper()) if country else ""


def require_region(name: str, code: object) -> str:
    """Return an ISO 3166 alpha-2 code that is one.

    :param name: what has the code, for messages.
    :raises InvalidRequest: if it is not one.
    """
    if isinstance(code, str) and code and find_region(code) == code:
        return code
    raise InvalidRequest(f'{name} must be an ISO 3166 alpha-2 code in capital letters, such as "CA".')


@lru_cache(maxsize=1024)
def _find_region(country: str) -> str:
    import phonenumbers

    return country if country in phonenumbers.SUPPORTED_REGIONS else _load_regions_by_name().get(country, "")


def _choose_region(country: str | None, default_region: str) -> str:
    return find_region(country) if country and country.strip() else default_region


def _to_certain_e164(phone: str, region: str) -> str | None:
    """Return a number in E.164 if its country is known, or None."""
    number = _to_e164(_PREFIX.sub("+", phone, count=1), "") if _PREFIX.match(phone) else None
    return number or _to_e164(phone, region)


def _to_e164(phone: str, region: str) -> str | None:
    import phonenumbers  # takes 30 ms to import, and few callers need it

    try:
        number = phonenumbers.parse(phone, region or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{text};ext={number.extension}" if number.extension else text


def _parse_with_country_code(phone: str) -> str | None:
    """Return a number whose first group of digits is its country code, in E.164, or None."""
    text = phone.strip()
    found = _COUNTRY_CODE.match(text)
    number = _to_e164(f"+{text}", "") if found else None
    if found is None or number is None:
        return None
    import phonenumbers

    return number if phonenumbers.parse(number.partition(";")[0]).country_code == int(found[1]) else None


@lru_cache(maxsize=1)
def _load_regions_by_name() -> dict[str, str]:
    """Return region codes by the country's name in all languages, in capitals, English first."""
    regions = dict(_REGION_ALIASES)
    country_names = _load_country_names()
    for languages in (("en",), None):
        for region, names in country_names.items():
            for language in languages or names:
                name = names.get(language, "")
                # The data says "*de" for "as in German".
                regions.setdefault(
                    (names.get(name[1:], "") if name.startswith("*") else name).upper(), region
                )
    return regions


def _load_country_names() -> Mapping[str, Mapping[str, str]]:
    """Return the names of each region by language.

    The module is loaded by itself: its package would load the places of all phone numbers too,
    which need 100 MiB.
    """
    package = importlib.util.find_spec("phonenumbers.geodata")
    assert package is not None
    spec = importlib.machinery.PathFinder.find_spec(
        f"{package.name}.locale", package.submodule_search_locations
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names: Mapping[str, Mapping[str, str]] = module.LOCALE_DATA
    return names


def _clean(text: str | None) -> str:
    """Return text in one Unicode form (NFC), without invisible characters and space around it."""
    if not text:
        return ""
    if text.isascii():
        return text.strip()
    visible = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFC", visible).strip()


def _split_emails(text: str | None) -> list[str]:
    """Return the text if it is one address, and otherwise its parts with an @ sign."""
    if _split_email(text) is not None:
        return [text or ""]
    return [part for part in _BETWEEN_ADDRESSES.split(_clean(text)) if "@" in part]


def _split_phones(phone: str | None, region: str) -> list[str]:
    """Return the text and, if it may have several numbers, its parts."""
    import phonenumbers

    text = (phone or "").strip()
    if sum(map(str.isdigit, text)) < 2 * _MIN_DIGITS:
        return [text]
    parts = [part.strip() for part in _BETWEEN_NUMBERS.split(text)]
    parts += [found.raw_string for found in phonenumbers.PhoneNumberMatcher(text, region or None)]
    return [text, *dict.fromkeys(parts)]


def _split_email(text: str | None) -> tuple[str, str] | None:
    """Return the local part and the domain of an address, or None for other text."""
    plain = _clean(text)
    if plain[:7].lower() == "mailto:":
        plain = plain[7:].partition("?")[0]
    if found := _NAME_AND_ADDRESS.fullmatch(plain):
        plain = found[1].strip()
    plain = plain.strip("'\"").removesuffix(".")
    if not _ADDRESS.fullmatch(plain):
        return None
    local_part, _, domain = plain.rpartition("@")
    return local_part, domain


def _to_ascii_domain(domain: str) -> str:
    """Return a domain as it is in DNS, or unchanged if it is invalid."""
    if domain.isascii():
        return domain
    import idna

    try:
        return idna.encode(domain, uts46=True).decode()
    except UnicodeError:
        return _to_older_ascii_domain(domain)


def _to_older_ascii_domain(domain: str) -> str:
    """Return a domain by IDNA 2003, or unchanged if it is invalid."""
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return domain

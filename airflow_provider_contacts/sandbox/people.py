"""Fictional people. The same seed returns the same people."""

from __future__ import annotations

import random
from dataclasses import dataclass

_FIRST = (
    "Zoë", "Łukasz", "Nguyễn", "María José", "Åsa", "Дмитрий", "Jürgen", "伟", "さくら", "محمد", "Siân", "Renée",
    "Ìfẹ́", "Björk", "Ciarán", "Ελένη", "אורי", "Ana", "John", "Priya", "Chloé", "İpek", "Søren", "Jean-Luc",
)  # fmt: skip
_LAST = (
    "O'Brien", "Müller", "García Márquez", "Трофимова", "李", "佐藤", "الحسن", "Nowak-Żak", "d'Été", "Ng", "Smith",
    "Þórsdóttir", "Παπαδοπούλου", "כהן", "Šimůnek", "Hernández", "Okonkwo", "van der Berg", "Håkansson", "Patel",
    'Quote "Q" Reed', "Comma, Jr.", "=SUM(A1)", "Ünal",
)  # fmt: skip
_COMPANIES = (
    "Acme, Inc.", "Globex", "Société Générale d'Exemple", "Initech", "株式会社例", "Umbrella & Söhne", "Hooli",
    "Müller Maschinenbau", "Stark Beispiele", "Пример ООО", "Vandelay", "Wayne",
)  # fmt: skip
_TITLES = (
    "CEO",
    "Head of Sales",
    "Data Engineer",
    "Directrice Générale",
    "VP People",
    "Founder",
    "Recruiter",
)
_PLACES = (
    ("Philadelphia", "US", "United States", "America/New_York"),
    ("Toronto", "CA", "Canada", "America/Toronto"),
    ("München", "DE", "Germany", "Europe/Berlin"),
    ("São Paulo", "BR", "Brazil", "America/Sao_Paulo"),
    ("東京", "JP", "Japan", "Asia/Tokyo"),
    ("Zürich", "CH", "Switzerland", "Europe/Zurich"),
)
# In every area code, the numbers 555-0100 to 555-0199 are reserved for fiction.
_AREA_CODES = (
    201,
    202,
    206,
    212,
    213,
    215,
    216,
    224,
    267,
    303,
    305,
    310,
    312,
    404,
    415,
    416,
    503,
    512,
    617,
    702,
)


@dataclass(frozen=True, slots=True)
class Person:
    """A person who may be a contact across vendors."""

    number: int
    first: str
    last: str
    company: str
    title: str
    city: str
    region: str
    country: str
    timezone: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first} {self.last}"

    @property
    def email(self) -> str:
        """An address in a domain that is reserved for examples (RFC 2606)."""
        return f"person.{self.number}@contacts.example"

    @property
    def phone(self) -> str:
        """An E.164 number from the range that is reserved for fiction."""
        area = _AREA_CODES[self.number // 100 % len(_AREA_CODES)]
        return f"+1{area}55501{self.number % 100:02d}"

    @property
    def handle(self) -> str:
        """A LinkedIn handle."""
        return f"sandbox-person-{self.number}"


def find_person(number: int, seed: int) -> Person:
    """Return person ``number`` of the population ``seed``."""
    pick = random.Random(f"{seed}:{number}")
    return Person(
        number, pick.choice(_FIRST), pick.choice(_LAST), pick.choice(_COMPANIES), pick.choice(_TITLES),
        *pick.choice(_PLACES),
    )  # fmt: skip

"""Fictional people. The same seed returns the same people."""

from __future__ import annotations

import random
from dataclasses import dataclass

# First names, last names, companies and places by language. A name is followed by its ASCII form if
# it is another one. Some need care in files: quotes, commas, and starts that a spreadsheet takes
# for a formula.
_REGIONS: tuple[tuple[str, str, str, tuple[tuple[str, str, str, str], ...]], ...] = (
    (
        "Ana|Priya|John|Grace|Omar|Chloé:chloe|Daniel|Maya",
        'Smith|O\'Brien:obrien|Patel|Hughes, Jr.:hughes|Robert "Bob" Reed:reed|Okonkwo|Ng|McAllister',
        "Globex|Initech|Acme, Inc.|Wayne Logistics|@Work Studios|+Plus Agency",
        (
            ("Philadelphia", "US", "United States", "America/New_York"),
            ("Toronto", "CA", "Canada", "America/Toronto"),
        ),
    ),
    (
        "Jürgen:juergen|Lena|Åsa:asa|Björk:bjork|Søren:soren|Klara",
        "Müller:mueller|Håkansson:hakansson|van der Berg:vanderberg|Þórsdóttir:thorsdottir|Weiß:weiss",
        "Müller Maschinenbau|Söhne & Partner|=mc² Labs|Nordlicht AB",
        (("München", "DE", "Germany", "Europe/Berlin"), ("Zürich", "CH", "Switzerland", "Europe/Zurich")),
    ),
    (
        "María José:mariajose|Renée:renee|Jean-Luc:jeanluc|Sofía:sofia|Lucía:lucia",
        "García Márquez:garcia|Hernández:hernandez|d'Été:dete|Silva|Fontaine",
        "Société Générale d'Exemple|Vandelay|Azul Viagens",
        (("São Paulo", "BR", "Brazil", "America/Sao_Paulo"), ("Lyon", "FR", "France", "Europe/Paris")),
    ),
    (
        "Дмитрий:dmitri|Ελένη:eleni|Łukasz:lukasz|Zoë:zoe|İpek:ipek",
        "Трофимова:trofimova|Παπαδοπούλου:papadopoulou|Nowak-Żak:nowak|Šimůnek:simunek|Ünal:unal",
        "Пример ООО|Kaktüs Yazılım|Wisła Digital",
        (("Kraków", "PL", "Poland", "Europe/Warsaw"), ("İzmir", "TR", "Türkiye", "Europe/Istanbul")),
    ),
    (
        "伟:wei|さくら:sakura|Nguyễn:nguyen|محمد:mohammed|אורי:uri",
        "李:li|佐藤:sato|Trần:tran|الحسن:alhassan|כהן:cohen",
        "株式会社例|Sông Hồng Trading|Cedar Systems",
        (("東京", "JP", "Japan", "Asia/Tokyo"), ("Hà Nội", "VN", "Vietnam", "Asia/Ho_Chi_Minh")),
    ),
)
_TITLES = (
    "CEO",
    "Head of Sales",
    "Data Engineer",
    "Directrice Générale",
    "VP People",
    "Founder",
    "Recruiter",
    "Head of Data",
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

# Among every 40 people, some are easily confused, to test resolving people: two share an office
# phone, two a mailbox, one has the name of the previous person, and one an outdated number, which
# now belongs to the next person.
_PEOPLE_PER_CYCLE = 40
_SHARED_PHONE = (7, 8)
_SHARED_MAILBOX = (17, 18)
_NAMESAKE = 27
_RECYCLED_PHONE = 37


@dataclass(frozen=True, slots=True)
class Person:
    """A person who may be a contact across vendors.

    :param region: country code.
    :param handle: LinkedIn handle.
    """

    number: int
    first: str
    last: str
    company: str
    title: str
    city: str
    region: str
    country: str
    timezone: str
    handle: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first} {self.last}"

    @property
    def email(self) -> str:
        """An address in a domain that is reserved for examples (RFC 2606)."""
        if self.number % _PEOPLE_PER_CYCLE in _SHARED_MAILBOX:
            return f"info@company-{self._first_of(_SHARED_MAILBOX)}.example"
        return f"{self.handle.replace('-', '.')}@contacts.example"

    @property
    def phone(self) -> str:
        """An E.164 number from the range that is reserved for fiction."""
        if self.number % _PEOPLE_PER_CYCLE in _SHARED_PHONE:
            return _phone_of(self._first_of(_SHARED_PHONE))
        return _phone_of(self.number)

    @property
    def outdated_phone(self) -> str:
        """The number in records that are out of date: it belongs to the next person by now."""
        return (
            _phone_of(self.number + 1) if self.number % _PEOPLE_PER_CYCLE == _RECYCLED_PHONE else self.phone
        )

    def _first_of(self, pair: tuple[int, int]) -> int:
        return self.number - self.number % _PEOPLE_PER_CYCLE + pair[0]


def _phone_of(number: int) -> str:
    area = _AREA_CODES[number // 100 % len(_AREA_CODES)]
    return f"+1{area}55501{number % 100:02d}"


def find_person(number: int, seed: int) -> Person:
    """Return person ``number`` of the population ``seed``."""
    is_namesake = number % _PEOPLE_PER_CYCLE == _NAMESAKE
    pick = random.Random(f"{seed}:{number - is_namesake}")
    first_names, last_names, companies, places = pick.choice(_REGIONS)
    first, _, first_ascii = pick.choice(first_names.split("|")).partition(":")
    last, _, last_ascii = pick.choice(last_names.split("|")).partition(":")
    handle = f"{first_ascii or first}-{last_ascii or last}-{number}".lower()
    company = pick.choice(companies.split("|"))
    return Person(number, first, last, company, pick.choice(_TITLES), *pick.choice(places), handle=handle)

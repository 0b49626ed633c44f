"""Who banks at the demo bank."""

from __future__ import annotations

from typing import NamedTuple


class Currency(NamedTuple):
    """
    A currency, in whose minor unit all sums are kept.

    Args:
        code: ISO 4217.
        decimals: Of the amounts that are shown; the yen has none.
    """

    code: str
    decimals: int

    def text(self, minor: int) -> str:
        """A sum as decimal text, exact: ``-4.80``."""
        sign, digits = "-" if minor < 0 else "", f"{abs(minor):0{self.decimals + 1}d}"
        return f"{sign}{digits[: -self.decimals]}.{digits[-self.decimals :]}" if self.decimals else sign + digits


class Shop(NamedTuple):
    """Where a customer pays, and from how much to how much, in minor units."""

    merchant: str
    category: str
    least: int
    most: int


class Customer(NamedTuple):
    """
    A person with one account.

    Args:
        account: Its number; the key of its records and the rest of its channel's name.
        opening: The balance to begin with, in minor units.
        employer: Who pays in what `salary` says, in minor units.
        shops: Where the money goes.
    """

    account: str
    name: str
    city: str
    currency: Currency
    opening: int
    employer: str
    salary: int
    shops: tuple[Shop, ...]


EUR, SEK, JPY, GBP, MXN = (
    Currency("EUR", 2),
    Currency("SEK", 2),
    Currency("JPY", 0),
    Currency("GBP", 2),
    Currency("MXN", 2),
)

CUSTOMERS = (
    Customer("1001", "Amara Okafor", "Lisbon", EUR, 2_184_35, "Câmara Municipal", 1_940_00, (
        Shop("Pastelaria Alcôa", "eating out", 2_10, 14_60),
        Shop("Carris tram", "transport", 2_10, 10_90),
        Shop("Mercado de Arroios", "groceries", 8_40, 64_30),
        Shop("Livraria Sá da Costa", "shopping", 9_90, 48_00),
        Shop("EDP Comercial", "household", 38_00, 96_00),
    )),
    Customer("1002", "Jonas Lindqvist", "Stockholm", SEK, 31_420_00, "Norrsken Verkstad AB", 27_900_00, (
        Shop("ICA Nära Högalid", "groceries", 64_00, 890_00),
        Shop("SL resor", "transport", 42_00, 315_00),
        Shop("Drop Coffee", "eating out", 44_00, 148_00),
        Shop("Clas Ohlson", "household", 79_00, 1_290_00),
        Shop("Eriksdalsbadet", "leisure", 65_00, 140_00),
    )),
    Customer("1003", "Mei Tanaka", "Osaka", JPY, 412_600, "Naniwa Dental Clinic", 268_000, (
        Shop("FamilyMart Umeda", "groceries", 180, 2_400),
        Shop("Hankyu Railway", "transport", 160, 1_280),
        Shop("Dotonbori Kukuru", "eating out", 640, 3_900),
        Shop("Kinokuniya Books", "shopping", 720, 6_800),
        Shop("Osaka Gas", "household", 3_900, 11_200),
    )),
    Customer("1004", "Priya Raman", "London", GBP, 1_627_18, "Peckham Architects", 2_310_00, (
        Shop("TfL travel", "transport", 1_75, 8_90),
        Shop("Persepolis Peckham", "groceries", 4_20, 38_40),
        Shop("Bagel Bake", "eating out", 3_60, 16_80),
        Shop("Rye Lane Cycles", "leisure", 12_00, 145_00),
        Shop("Thames Water", "household", 31_00, 58_00),
    )),
    Customer("1005", "Diego Fuentes", "Mexico City", MXN, 18_940_50, "Estudio Tezontle", 16_200_00, (
        Shop("Panadería Rosetta", "eating out", 58_00, 340_00),
        Shop("Metrobús CDMX", "transport", 6_00, 60_00),
        Shop("Mercado Medellín", "groceries", 95_00, 1_150_00),
        Shop("Librería El Péndulo", "shopping", 180_00, 920_00),
        Shop("CFE Suministrador", "household", 240_00, 1_300_00),
    )),
)  # fmt: skip

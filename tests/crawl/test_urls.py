import ipaddress

import pytest

from pipeline.crawl import urls
from pipeline.crawl.urls import Refused


@pytest.mark.parametrize(
    ("link", "base", "expected"),
    [
        ("HTTP://A.Test:80/x/../y.jpg#part", "", "http://a.test/y.jpg"),
        ("photo.jpg", "http://a.test/albums/1.html", "http://a.test/albums/photo.jpg"),
        ("//b.test", "https://a.test/", "https://b.test/"),
        ("a b/ä.jpg?q=1 2", "http://a.test/", "http://a.test/a%20b/%C3%A4.jpg?q=1%202"),
        ("http://a.test/x/", "", "http://a.test/x/"),
        ("http://a.test/%20x", "", "http://a.test/%20x"),
        ("http://münchen.test/", "", "http://xn--mnchen-3ya.test/"),
        ("https://a.test:8443/", "", "https://a.test:8443/"),
        ("java\nscript:alert(1)", "http://a.test/", None),
        ("#top", "http://a.test/", None),
        ("data:image/png;base64,xx", "http://a.test/", None),
        ("http://[::1", "http://a.test/", "http://[::1"),
    ],
)
def test_a_link_has_one_spelling(link: str, base: str, expected: str | None) -> None:
    assert urls.canonical(link, base) == expected
    assert expected is None or urls.canonical(expected) == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "scheme"),
        ("ftp://a.test/x", "scheme"),
        ("http://user:word@a.test/", "credentials"),
        ("http://a.test:22/", "port"),
        ("http://a.test:99999/", "malformed"),
        ("http://[::1", "malformed"),
        ("http://127.0.0.1/", "private_address"),
        ("http://127.1/", "private_address"),
        ("http://2130706433/", "private_address"),
        ("http://0x7f.1/", "private_address"),
        ("http://0x7f000001/", "private_address"),
        ("http://[::1]/", "private_address"),
        ("http://[::ffff:10.0.0.1]/", "private_address"),
        ("http://169.254.169.254/latest/", "private_address"),
        ("http://b.other/", "out_of_scope"),
        ("http://8.8.8.8/", "out_of_scope"),
        (f"http://a.test/{'x' * 2000}", "too_long"),
    ],
)
def test_unsafe_urls_are_refused(url: str, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        urls.refuse_unsafe(url, ("*.test",))
    assert caught.value.reason == reason


def test_a_usual_url_is_not_refused() -> None:
    urls.refuse_unsafe("https://a.test/photo.jpg?size=2", ("*.test",))


@pytest.mark.parametrize(
    "address",
    [
        *("10.1.2.3", "100.64.0.1", "224.0.0.1", "0.0.0.0", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::"),  # NAT64 and 6to4 around 127.0.0.1
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    with pytest.raises(Refused, match="private_address"):
        urls.refuse_private("a.test", ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"])
def test_public_addresses_pass(address: str) -> None:
    urls.refuse_private("a.test", ipaddress.ip_address(address))

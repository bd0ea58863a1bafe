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
        ("/fetch/w_800/http://b.test/a.jpg", "http://a.test/", "http://a.test/fetch/w_800/http://b.test/a.jpg"),
        ("/media//a.jpg", "http://a.test/", "http://a.test/media//a.jpg"),
        ("\\back\\slash.jpg", "http://a.test/x/", "http://a.test/back/slash.jpg"),
        ("http:\\\\a.test\\b", "", "http://a.test/b"),
        ("a/%2e%2E/b", "http://a.test/x/", "http://a.test/x/b"),
        ("../../../b", "http://a.test/x/", "http://a.test/b"),
        ("?q", "http://a.test/x?z", "http://a.test/x?q"),
        ("http://a.test:/x", "", "http://a.test/x"),
        ("http://A.test./x", "", "http://a.test/x"),
        ("http://fa\u00df.test/\u00b2", "", "http://xn--fa-hia.test/%C2%B2"),
        ("http://a.test/\ud800.jpg", "", "http://a.test/%EF%BF%BD.jpg"),
        ("http://[::\ud800", "", "http://[::\ufffd"),
        ("\x00 /x.jpg \x1f", "http://a.test/", "http://a.test/x.jpg"),
        ("http://0x7f.1/", "", "http://127.0.0.1/"),
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
        ("http://www..a.test/", "malformed"),
        ("http://.a.test/", "malformed"),
        (f"http://{'x' * 64}.test/", "malformed"),
        ("http://1.2.3.4.5/", "malformed"),
        ("http://0177.0.0.1/", "private_address"),
        ("http://\uff11\uff12\uff17.0.0.1/", "private_address"),
        ("http://localhost/", "out_of_scope"),
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


def test_a_query_is_encoded_as_its_page_is() -> None:
    link = "/人?q=人&r=é#x"
    expected = "http://a.test/%E4%BA%BA?q=%C8%CB&r=%A8%A6"
    assert urls.canonical(link, "http://a.test/", "gb18030") == expected
    assert urls.canonical("?q=人", "http://a.test/", "cp1251") == "http://a.test/?q=%26%2320154%3B"
    assert urls.canonical("?q=é", "http://a.test/", "utf-16-le") == "http://a.test/?q=%C3%A9"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(b"/caf\xe9.jpg", "/caf%E9.jpg"), ("/café.jpg".encode(), "/caf%C3%A9.jpg"), (b"/a b", "/a b")],
)
def test_bytes_of_a_header_are_kept_as_they_are(raw: bytes, expected: str) -> None:
    assert urls.from_header(raw.decode("utf-8", "surrogateescape")) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.test/p.jpg", "http://a.test/p.jpg", True),
        ("http://www.a.test/p.jpg", "http://a.test/p.jpg", True),
        ("http://a.test/%70.jpg", "http://a.test/p.jpg", True),
        ("http://a.test/caf%c3%a9", "http://a.test/café/", True),
        ("http://a.test//p.jpg?", "http://a.test/p.jpg", True),
        ("http://a.test/P.jpg", "http://a.test/p.jpg", False),
        ("http://a.test/p.jpg?1", "http://a.test/p.jpg?2", False),
        ("http://a.test:8080/p.jpg", "http://a.test/p.jpg", False),
        ("http://b.a.test/p.jpg", "http://a.test/p.jpg", False),
    ],
)
def test_spellings_of_one_url_are_told_from_other_urls(one: str, other: str, same: bool) -> None:
    assert (urls.loosely(one) == urls.loosely(other)) == same

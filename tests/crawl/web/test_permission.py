import pytest

from pipeline.crawl.web import permission

TOKEN = "LikenessBot"


def test_the_token_is_the_product_of_the_user_agent() -> None:
    assert permission.agent_token("LikenessBot/0.1 (+https://x)") == TOKEN


def test_robots_speaks_to_us_and_to_all() -> None:
    rules = permission.parse_robots(b"User-agent: *\nDisallow: /a/\n\nUser-agent: LikenessBot\nDisallow: /b/\n", TOKEN)
    assert rules.allows("http://x.test/a/1")
    assert not rules.allows("http://x.test/b/1")


def test_an_empty_robots_allows_and_an_unreachable_one_forbids() -> None:
    assert permission.parse_robots(b"", TOKEN).allows("http://x.test/a")
    assert not permission.Rules(None, TOKEN, reachable=False).allows("http://x.test/a")


@pytest.mark.parametrize(
    ("text", "interval"), [("Crawl-delay: 2.5", 2.5), ("Request-rate: 1/4", 4.0), ("Disallow: /a", 0.0)]
)
def test_robots_asks_for_a_pace(text: str, interval: float) -> None:
    assert permission.parse_robots(f"User-agent: *\n{text}\n".encode(), TOKEN).interval == interval


def test_content_usage_in_robots_reserves_paths() -> None:
    rules = permission.parse_robots(b"User-agent: *\nAllow: /\nContent-Usage: /art/ train-ai=n\n", TOKEN)
    assert rules.reserves("http://x.test/art/1.jpg")
    assert not rules.reserves("http://x.test/free/1.jpg")
    assert permission.parse_robots(b"User-agent: *\nContent-Usage: train-ai=n\n", TOKEN).reserves("http://x.test/a")
    assert not permission.parse_robots(b"User-agent: *\nContent-Usage: train-ai=y\n", TOKEN).reserves("http://x.test/a")


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("X-Robots-Tag", "noai", True),
        ("x-robots-tag", "all, NoImageAI", True),
        ("X-Robots-Tag", "likenessbot: noindex", True),
        ("X-Robots-Tag", "otherbot: noai", False),
        ("X-Robots-Tag", "unavailable_after: 2030-01-01", False),
        ("X-Robots-Tag", "nosnippet", False),
        ("tdm-reservation", "1", True),
        ("TDM-Reservation", "0", False),
        ("Content-Usage", "search=y, train-ai=n", True),
        ("Content-Usage", "train-genai=n", True),
        ("Content-Usage", "train-ai=y", False),
        ("Content-Usage", "search=n", False),
        ("Content-Type", "noai", False),
    ],
)
def test_headers_opt_out(name: str, value: str, refused: bool) -> None:
    assert (permission.opt_out([("Server", "x"), (name, value)], TOKEN) is not None) == refused


@pytest.mark.parametrize(
    ("name", "content", "refused"),
    [
        ("robots", "noai", True),
        ("LikenessBot", "noimageai", True),
        ("tdm-reservation", "1", True),
        ("robots", "nofollow", False),
        ("description", "noai", False),
        ("content-type", "noai", False),
    ],
)
def test_meta_elements_opt_out(name: str, content: str, refused: bool) -> None:
    assert (permission.meta_opt_out(name, content, TOKEN) is not None) == refused


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_robots_is_read_in_any_encoding(encoding: str, end: str) -> None:
    rules = permission.parse_robots(f"User-agent: *{end}Disallow: /private/{end}".encode(encoding), TOKEN)
    assert not rules.allows("http://x.test/private/1")
    assert rules.allows("http://x.test/open/1")


@pytest.mark.parametrize(("encoding", "path"), [("utf-8", "/caf%C3%A9/1"), ("latin-1", "/caf%E9/1")])
def test_bytes_of_a_rule_are_those_of_the_url(encoding: str, path: str) -> None:
    rules = permission.parse_robots("User-agent: *\nDisallow: /café/\n".encode(encoding), TOKEN)
    assert not rules.allows(f"http://x.test{path}")
    assert rules.allows("http://x.test/cafe/1")


def test_only_the_beginning_of_a_long_robots_counts_cut_at_a_line() -> None:
    head = b"User-agent: *\nDisallow: /a/\n"
    room = permission.MAX_ROBOTS_BYTES - len(head) - len(b"\nDisallow: /b")
    body = head + b"#" * room + b"\nDisallow: /b/c\nDisallow: /d\n"
    rules = permission.parse_robots(body, TOKEN)
    assert not rules.allows("http://x.test/a/1")
    assert rules.allows("http://x.test/b")  # the line that the limit cuts is none
    assert rules.allows("http://x.test/d")

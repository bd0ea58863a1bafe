import asyncio

import pytest

from pipeline.crawl.urls import Refused
from pipeline.crawl.web.addresses import GuardedResolver, loopback_hosts
from pipeline.errors import SettingsError


def resolver(**names: list[str]) -> GuardedResolver:
    async def lookup(host: str, port: int) -> list[str]:
        return names[host.removesuffix(".test")]

    return GuardedResolver({"*.world.test": ("127.0.0.1", 4321)}, lookup)


def test_a_public_name_is_pinned_to_what_was_checked() -> None:
    found = asyncio.run(resolver(a=["93.184.216.34", "2606:4700::1111"]).resolve("a.test", 443))
    assert [(entry["host"], entry["port"]) for entry in found] == [("93.184.216.34", 443), ("2606:4700::1111", 443)]


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::1"]])
def test_a_name_with_any_private_address_is_refused(addresses: list[str]) -> None:
    with pytest.raises(Refused, match="private_address"):
        asyncio.run(resolver(a=addresses).resolve("a.test", 80))


def test_a_mapped_host_goes_to_this_machine() -> None:
    found = asyncio.run(resolver().resolve("gallery.world.test", 80))
    assert [(entry["host"], entry["port"]) for entry in found] == [("127.0.0.1", 4321)]


def test_mapping_takes_the_served_port_or_its_own() -> None:
    found = loopback_hosts({"a.test": "127.0.0.1", "b.test": "127.0.0.2:8000"}, 4321)
    assert found == {"a.test": ("127.0.0.1", 4321), "b.test": ("127.0.0.2", 8000)}


@pytest.mark.parametrize("value", ["10.0.0.1", "localhost", "127.0.0.1:http"])
def test_only_this_machine_may_be_mapped(value: str) -> None:
    with pytest.raises(SettingsError, match=r"crawl.hosts: a.test"):
        loopback_hosts({"a.test": value}, 0)

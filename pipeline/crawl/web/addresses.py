"""The resolver that guards the crawl: a name is resolved once, checked, and exactly what was checked is connected to.

aiohttp connects to the addresses that its resolver returns, so a second look-up (DNS rebinding) cannot happen. Hosts
of the explicit `crawl.hosts` mapping are the only ones that may lie on this machine.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping
from fnmatch import fnmatchcase

from aiohttp.abc import AbstractResolver, ResolveResult

from pipeline.crawl.urls import refuse_private
from pipeline.errors import SettingsError

Lookup = Callable[[str, int], Awaitable[list[str]]]


async def look_up(host: str, port: int) -> list[str]:
    """All addresses of a name, as the operating system gives them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedResolver(AbstractResolver):
    """Resolves mapped hosts to this machine and all others to public addresses only."""

    def __init__(self, hosts: Mapping[str, tuple[str, int]], lookup: Lookup = look_up) -> None:
        """hosts: pattern -> address and port (0: the URL's own port)."""
        self._hosts, self._lookup = hosts, lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses to connect to.

        Raises:
            Refused: private_address, when any of a name's addresses is not public.
        """
        for pattern, (address, mapped_port) in self._hosts.items():
            if fnmatchcase(host, pattern):
                return [_result(host, address, mapped_port or port)]
        addresses = await self._lookup(host, port)
        for address in addresses:
            refuse_private(host, ipaddress.ip_address(address))
        return [_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        """Nothing is held open."""


def loopback_hosts(mapping: Mapping[str, str], served_port: int) -> dict[str, tuple[str, int]]:
    """`crawl.hosts` as pattern -> (address, port); an entry without a port gets that of the served folder, if any.

    Raises:
        SettingsError: an entry does not name an address of this machine.
    """
    return {pattern: _loopback(pattern, str(value), served_port) for pattern, value in mapping.items()}


def _loopback(pattern: str, value: str, served_port: int) -> tuple[str, int]:
    address, _, port = value.partition(":")
    try:
        if not ipaddress.ip_address(address).is_loopback:
            raise ValueError(f"{address} is not on this machine")
        return address, int(port or served_port)
    except ValueError as error:
        raise SettingsError(
            f"crawl.hosts: {pattern}: {value!r} must be an address of this machine, "
            f"such as 127.0.0.1 or 127.0.0.1:8000 ({error})"
        ) from error


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)

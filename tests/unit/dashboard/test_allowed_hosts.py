"""The host names by which the dashboard may be opened."""

from __future__ import annotations

import pytest

from rxbosbase.dashboard.web.allowed_hosts import AllowedHosts, is_loopback

LOOPBACK = AllowedHosts(["127.0.0.1", "::1"], 5006)
EVERYWHERE = AllowedHosts(["0.0.0.0"], 5006, ["nas.lan"])


@pytest.mark.parametrize(
    "host",
    ["localhost:5006", "LOCALHOST:5006", "127.0.0.1:5006", "[::1]:5006", "[0:0:0:0:0:0:0:1]:5006"],
)
def test_a_loopback_server_allows_the_loopback_hosts(host: str) -> None:
    """A server on loopback accepts the loopback host names with its port, in any spelling."""
    assert LOOPBACK.allows_host(host)
    assert LOOPBACK.allows_origin(f"http://{host}", "localhost:5006")


@pytest.mark.parametrize(
    "host",
    ["", "evil.example:5006", "localhost", "localhost:80", "localhost.:5006", "localhost:5006:5006",
     "127.0.0.2:5006", "127.1:5006", "2130706433:5006", "::1:5006", "[::1", "[::2]:5006",
     "[::ffff:127.0.0.1]:5006", "localhost:05006x", "localhost:5006/", "x@localhost:5006",
     "localhost:5006 ", "localhost:5006\n", "localhost,evil:5006", "lOcalhoſt:5006",
     "localhost:٥٠٠٦", "localhost:999999", "localhost:99999", "*:5006"],
)  # fmt: skip
def test_a_loopback_server_refuses_every_other_host(host: str) -> None:
    """A server on loopback refuses every other or malformed host and origin."""
    assert not LOOPBACK.allows_host(host)
    assert not LOOPBACK.allows_origin(f"http://{host}", "localhost:5006")


def test_a_loopback_server_refuses_another_loopback_address() -> None:
    """A server on one loopback address refuses another loopback address as its host."""
    assert not AllowedHosts(["::1"], 5006).allows_host("127.0.0.1:5006")
    assert AllowedHosts(["127.0.0.2"], 5006).allows_host("127.0.0.2:5006")


def test_a_server_on_one_address_allows_only_that_address() -> None:
    """A server on one network address accepts only that address as its host."""
    names = AllowedHosts(["192.0.2.7"], 5006)
    assert names.allows_host("192.0.2.7:5006")
    for host in ("192.0.2.8:5006", "localhost:5006", "127.0.0.1:5006", "nas.lan:5006"):
        assert not names.allows_host(host)


def test_a_server_on_all_addresses_allows_literal_addresses_and_no_names() -> None:
    """On all addresses a literal address is accepted, and a host name only if it is allowed."""
    for host in ("192.0.2.7:5006", "[2001:db8::1]:5006", "localhost:5006", "nas.lan:5006"):
        assert EVERYWHERE.allows_host(host)
    for host in ("192.0.2.7:80", "192.0.2.7", "evil.example:5006", "192.0.2.7.evil.example:5006"):
        assert not EVERYWHERE.allows_host(host)


def test_an_origin_with_another_literal_address_is_refused() -> None:
    """An origin with a literal address is accepted only if it equals the request's host."""
    own = "192.0.2.7:5006"
    assert EVERYWHERE.allows_origin(f"http://{own}", own)
    for origin in ("http://192.0.2.8:5006", f"https://{own}", "http://192.0.2.7"):
        assert not EVERYWHERE.allows_origin(origin, own)
    assert EVERYWHERE.allows_origin("https://nas.lan", own)


def test_an_allowed_name_has_the_own_and_the_default_port_or_its_own() -> None:
    """An allowed name is accepted with the own and the default port, or only with its own."""
    names = AllowedHosts(["127.0.0.1"], 5006, ["dash.example", "NAS:8443", "[2001:db8::1]"])
    for host in ("dash.example", "dash.example:443", "dash.example:5006", "nas:8443"):
        assert names.allows_host(host)
    for host in ("dash.example:8443", "nas", "nas:5006", "x.dash.example"):
        assert not names.allows_host(host)
    assert names.allows_host("[2001:db8::1]:5006")


def test_an_origin_needs_a_scheme_a_host_and_no_path() -> None:
    """An origin needs `http` or `https`, a host and no path; other texts are refused."""
    names = AllowedHosts(["127.0.0.1"], 5006, ["dash.example"])
    for origin in ("https://dash.example", "http://dash.example", "https://dash.example:5006"):
        assert names.allows_origin(origin, "127.0.0.1:5006")
    for origin in ("dash.example", "ws://dash.example", "null", "", "https://dash.example/x",
                   "https://", "https:dash.example", "file://dash.example"):  # fmt: skip
        assert not names.allows_origin(origin, "127.0.0.1:5006")


@pytest.mark.parametrize("name", ["", "*", "http://dash.example", "dash.example/", "a b", "ä.de"])
def test_an_invalid_host_name_is_refused(name: str) -> None:
    """Raise ValueError for an allowed name that is empty, a wildcard, a URL or not ASCII."""
    with pytest.raises(ValueError, match="is no host name; give it as in"):
        AllowedHosts(["127.0.0.1"], 5006, [name])


def test_is_loopback_is_true_for_loopback_hosts_alone() -> None:
    """`is_loopback` is true for 127.0.0.0/8, `::1` and `localhost`, and for no other host."""
    assert all(map(is_loopback, ("127.0.0.1", "127.3.2.1", "::1", "localhost", "LocalHost")))
    assert not any(map(is_loopback, ("", "0.0.0.0", "::", "192.0.2.1", "nas.lan")))

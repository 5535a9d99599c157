"""Which addresses a webhook may go to: none that is not plainly in the public internet."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.public_addresses import is_public

INSIDE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
    "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::a00:1", "64:ff9b::808:808",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:a00:1::",
    "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1",
    "ff02::1", "2606:4700::1%eth0", "", "localhost", "1", "8.8.8", "0x08080808", "8.8.8.8:80", "[2606:4700::1]",
]  # fmt: skip
OUTSIDE = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255",
    "2001:200::1", "2606:4700:4700::1111", "2a00:1450:4001::1", "2003::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_or_nowhere_is_refused(address: str) -> None:
    assert is_public(address) is False


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_outside_is_permitted(address: str) -> None:
    assert is_public(address) is True


@given(st.ip_addresses())
def test_nothing_that_python_knows_as_special_is_permitted(address) -> None:
    special = (
        not address.is_global
        or address.is_private
        or address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
    )
    if special:
        assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_no_address_that_carries_another_one_inside_is_permitted(address) -> None:
    carried = int(address)
    for prefix in ("::", "::ffff:0:0", "64:ff9b::", "64:ff9b:1::"):
        assert not is_public(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | carried)))
    six_to_four = (0x2002 << 112) | (carried << 80)
    teredo = (0x20010000 << 96) | (carried ^ 0xFFFFFFFF)
    assert not is_public(str(ipaddress.IPv6Address(six_to_four)))
    assert not is_public(str(ipaddress.IPv6Address(teredo)))


@given(st.ip_addresses(v=4, network="100.64.0.0/10"))
def test_carrier_grade_addresses_are_refused(address) -> None:
    assert not is_public(str(address))

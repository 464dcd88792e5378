"""A proof is worth something only at the address for which it was made, and only local addresses are asked for one."""

import json
from dataclasses import replace

import pytest
from yarl import URL

from custom_components.pi_mjpeg.api.identity import (
    Answer,
    Identity,
    address_of,
    is_proven,
    may_be_asked,
    new_nonce,
    proof,
)
from tests.component.support.fake_pi import IDENTITY, NODE, example

CONTRACTED = json.loads(example("identity.json"))
ADDRESS = "192.168.1.20:8000"
IDENTITY_OF_PI = Identity(**IDENTITY)


def test_a_proof_holds_for_one_question_one_server_and_one_address() -> None:
    nonce = new_nonce()
    given = proof(IDENTITY_OF_PI.secret, nonce, NODE, ADDRESS)
    assert is_proven(Answer(NODE, given, ADDRESS), IDENTITY_OF_PI, nonce, NODE)
    for answer in (
        Answer(NODE, given, "192.168.1.66:8000"),
        Answer(NODE, given, "192.168.1.20:8001"),
        Answer("another", proof(IDENTITY_OF_PI.secret, nonce, "another", ADDRESS), ADDRESS),
        Answer(NODE, proof("00" * 32, nonce, NODE, ADDRESS), ADDRESS),
        Answer(NODE, proof(IDENTITY_OF_PI.secret, new_nonce(), NODE, ADDRESS), ADDRESS),
        Answer(NODE, "0" * 64, ADDRESS),
    ):
        assert not is_proven(answer, IDENTITY_OF_PI, nonce, NODE)


@pytest.mark.parametrize("recorded", CONTRACTED["proofs"])
def test_the_proofs_of_the_contract_are_accepted(recorded: dict[str, str]) -> None:
    identity = Identity("0" * 16, CONTRACTED[recorded["secret_of"]]["secret"])
    answer = Answer(recorded["id"], recorded["proof"], recorded["address"])
    assert is_proven(answer, identity, recorded["nonce"], recorded["id"])
    assert not is_proven(replace(answer, peer="192.168.1.99:8000"), identity, recorded["nonce"], recorded["id"])


def test_no_nonce_comes_twice_and_each_is_one_that_the_server_takes() -> None:
    nonces = {new_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert all(32 <= len(nonce) <= 128 and int(nonce, 16) for nonce in nonces)


@pytest.mark.parametrize(
    ("peername", "address"),
    [
        (("192.168.1.20", 8000), "192.168.1.20:8000"),
        (("::ffff:192.168.1.20", 8000, 0, 0), "192.168.1.20:8000"),
        (("fd00:0::20", 8443, 0, 0), "[fd00::20]:8443"),
        (("fe80::20", 8000, 0, 2), "[fe80::20]:8000"),
        (("fe80::20%eth0", 8000, 0, 2), "[fe80::20]:8000"),
    ],
)
def test_both_ends_write_an_address_in_the_same_way(peername: tuple[object, ...], address: str) -> None:
    assert address_of(peername) == address


@pytest.mark.parametrize(
    ("known", "announced"),
    [
        ("http://192.168.1.20:8000", "http://192.168.1.66:8000"),
        ("http://192.168.1.20:8000", "http://10.0.0.1"),
        ("http://192.168.1.20:8000", "http://172.31.255.1:80/"),
        ("http://192.168.1.20:8000", "http://169.254.3.4:8000"),
        ("http://192.168.1.20:8000", "https://192.168.1.20:8000"),
        ("http://192.168.1.20:8000", "http://[fd00::20]:8000"),
        ("http://192.168.1.20:8000", "http://[fe80::20]:8000"),
        ("https://192.168.1.20:8000", "https://192.168.1.66:8000"),
        ("http://127.0.0.1:9", "http://127.0.0.1:8000"),
        ("http://localhost:9", "http://[::1]:8000"),
        ("http://garden.local:8000", "http://192.168.1.66:8000"),
    ],
)
def test_a_local_address_may_be_asked(known: str, announced: str) -> None:
    assert may_be_asked(URL(known), URL(announced))


@pytest.mark.parametrize(
    ("known", "announced"),
    [
        ("http://192.168.1.20:8000", "http://127.0.0.1:8123"),
        ("http://192.168.1.20:8000", "http://[::1]:8123"),
        ("http://192.168.1.20:8000", "http://[::ffff:127.0.0.1]:8123"),
        ("http://garden.local:8000", "http://127.0.0.1:8123"),
        ("http://192.168.1.20:8000", "http://localhost:8123"),
        ("http://192.168.1.20:8000", "http://127.1:8123"),
        ("http://192.168.1.20:8000", "http://2130706433:8123"),
        ("http://192.168.1.20:8000", "http://0x7f000001:8123"),
        ("http://192.168.1.20:8000", "http://0.0.0.0:8123"),
        ("http://192.168.1.20:8000", "http://[::]:8123"),
        ("http://192.168.1.20:8000", "http://255.255.255.255"),
        ("http://192.168.1.20:8000", "http://224.0.0.1"),
        ("http://192.168.1.20:8000", "http://8.8.8.8:8000"),
        ("http://192.168.1.20:8000", "http://[2001:db8::1]:8000"),
        ("http://192.168.1.20:8000", "http://172.32.0.1:8000"),
        ("http://192.168.1.20:8000", "http://garden.local:8000"),
        ("http://192.168.1.20:8000", "http://192.168.1.1.evil.example:8000"),
        ("http://192.168.1.20:8000", "http://192.168.1.66:8000/internal/reboot"),
        ("http://192.168.1.20:8000", "http://192.168.1.66:8000//"),
        ("http://192.168.1.20:8000", "http://192.168.1.66:8000?reboot=1"),
        ("http://192.168.1.20:8000", "http://me@192.168.1.66:8000"),
        ("https://192.168.1.20:8000", "http://192.168.1.66:8000"),
        ("https://192.168.1.20:8000", "http://192.168.1.20:8000"),
    ],
)
def test_no_other_address_is_asked_anything(known: str, announced: str) -> None:
    assert not may_be_asked(URL(known), URL(announced))

"""The key by which the server proves that it is the one that was met before."""

import json
from pathlib import Path
from typing import Any

import pytest
from pi_mjpeg_server.config import load
from pi_mjpeg_server.make_server import make_server
from pi_mjpeg_server.storage.access_token import AccessToken
from pi_mjpeg_server.storage.identity_key import FILE_NAME, TOKEN_KEY_PURPOSE, IdentityKey, proof
from pi_mjpeg_server.storage.safe_open import UnsafeFileError

CONTRACT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "contract" / "identity.json").read_text())


def test_the_secret_of_a_client_is_the_recorded_one() -> None:
    key = IdentityKey(bytes.fromhex(CONTRACT["identity_key"]))
    enrolment = CONTRACT["enrolment"]
    assert key.secret_of(enrolment["key"]).hex() == enrolment["secret"]
    assert key.secret_of(enrolment["key"][::-1]).hex() != enrolment["secret"]


def test_the_secret_of_a_client_with_the_token_is_the_recorded_one(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(CONTRACT["token"]["token"])
    assert AccessToken(tmp_path / "token").key(TOKEN_KEY_PURPOSE).hex() == CONTRACT["token"]["secret"]


@pytest.mark.parametrize("recorded", CONTRACT["proofs"], ids=lambda each: f"{each['secret_of']} {each['address']}")
def test_the_proof_is_the_recorded_one_and_depends_on_everything(recorded: dict[str, str]) -> None:
    secret = bytes.fromhex(CONTRACT[recorded["secret_of"]]["secret"])
    nonce, node, address = recorded["nonce"], recorded["id"], recorded["address"]
    assert proof(secret, nonce, node, address) == recorded["proof"]
    others = {
        proof(secret[::-1], nonce, node, address),
        proof(secret, nonce[1:], node, address),
        proof(secret, nonce, node[1:], address),
        proof(secret, nonce, node, f"{address}1"),
    }
    assert len(others | {recorded["proof"]}) == 5


def test_the_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / FILE_NAME
    first = IdentityKey.load(path)
    assert IdentityKey.load(path) == first
    assert len(first.key) == 32
    assert path.read_text().strip() == first.key.hex()
    assert path.stat().st_mode & 0o777 == 0o600
    assert IdentityKey.load(tmp_path / "other") != first
    path.chmod(0o644)
    assert IdentityKey.load(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_key_does_not_show_in_logs(tmp_path: Path) -> None:
    key = IdentityKey.load(tmp_path / FILE_NAME)
    assert key.key.hex() not in repr(key)
    assert repr(key.key) not in repr(key)


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "g" * 64, "A" * 64, "0" * 5000, "\udcff" * 64])
def test_a_damaged_key_is_replaced_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str) -> None:
    (path := tmp_path / FILE_NAME).write_text(text, errors="surrogateescape")
    made = IdentityKey.load(path)
    assert "damaged and replaced" in caplog.text
    assert IdentityKey.load(path) == made


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (target := tmp_path / "other").write_text("0" * 64)
    target.chmod(0o755)
    (path := tmp_path / FILE_NAME).symlink_to(target)
    with pytest.raises(UnsafeFileError, match="symbolic link"):
        IdentityKey.load(path)
    assert target.stat().st_mode & 0o777 == 0o755
    assert target.read_text() == "0" * 64


def test_a_server_keeps_its_key_when_its_token_is_rotated(tmp_path: Path) -> None:
    configuration = load(None, {}, {"--state-dir": str(tmp_path), "--source": "emulated"})
    first = make_server(configuration)
    assert first.token is not None
    first.token.rotate()
    assert make_server(configuration).identity_key == first.identity_key
    assert (tmp_path / FILE_NAME).read_text().strip() == first.identity_key.key.hex()

"""The configuration comes from three places and is validated in one way; each mistake has a message of its own."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest
from pi_mjpeg_server.config import OPTIONS, Configuration, ConfigurationError, default_configuration_file, load
from pi_mjpeg_server.config.validators import SECTIONS, TABLES
from pi_mjpeg_server.motion.settings import MotionSettings


def from_text(folder: Path, text: str) -> Configuration:
    file = folder / "config.toml"
    file.write_text(text)
    return load(file, {}, {})


def test_the_defaults_are_a_configuration() -> None:
    configuration = load(None, {}, {})
    assert configuration.server.port == 8000
    assert configuration.auth.mode == "token"
    assert configuration.mqtt.host is None
    assert [(camera.id, camera.source) for camera in configuration.cameras] == [("camera", "auto")]


def test_a_file_may_set_every_key(tmp_path: Path) -> None:
    configuration = from_text(
        tmp_path,
        """
        [server]
        name = "Garden"
        host = "127.0.0.1"
        port = 9000
        public_url = "https://garden.example:8443/pi/"
        state_dir = "/var/lib/pi-mjpeg"
        zeroconf = false
        tls_certificate = "/etc/pi-mjpeg/chain.pem"
        tls_key = "/etc/pi-mjpeg/key.pem"
        hosts = ["pi.example.org"]
        trusted_proxies = ["192.0.2.1", "2001:db8::/64"]
        cors_origins = ["https://dash.example", "http://[2001:db8::7]:3000"]
        max_viewers = 10
        max_viewers_per_camera = 5
        max_viewers_per_address = 2
        [auth]
        mode = "none"
        [mqtt]
        host = "broker"
        port = 8883
        username = "camera"
        password_file = "/etc/pi-mjpeg/password"
        tls = true
        ca_file = "/etc/pi-mjpeg/ca.pem"
        client_certificate = "/etc/pi-mjpeg/pi.pem"
        client_key = "/etc/pi-mjpeg/pi.key"
        discovery = "both"
        discovery_prefix = "ha"
        [[camera]]
        id = "front"
        name = "Front door"
        source = "picamera2"
        device = "imx708"
        size = [1920, 1080]
        fps = 15
        quality = 70
        rotation = 180
        hflip = true
        vflip = false
        linger = 0
        controls = { Brightness = 0.1 }
        sensor_mode = [2304, 1296]
        [camera.motion]
        enabled = true
        sensitivity = 70
        watch = [[0, 0.5, 1, 0.5]]
        ignore = [[0, 0.5, 0.1, 0.1], [0.9, 0.5, 0.1, 0.1]]
        clear_after = 30
        fps = 2.5
        [[camera]]
        source = "emulated"
        """,
    )
    assert configuration.server.public_url == "https://garden.example:8443/pi"
    assert not configuration.server.zeroconf
    assert configuration.server.scheme == "https"
    assert configuration.server.trusted_proxies == ("192.0.2.1", "2001:db8::/64")
    assert configuration.server.cors_origins == ("https://dash.example", "http://[2001:db8::7]:3000")
    assert configuration.auth.mode == "none"
    assert configuration.mqtt.discovery == "both"
    front, second = configuration.cameras
    assert (front.id, front.name, front.linger) == ("front", "Front door", 0)
    assert front.requested.size == (1920, 1080)
    assert front.requested.controls == {"Brightness": 0.1}
    assert front.requested.sensor_mode == (2304, 1296)
    assert (second.id, second.name) == ("camera_2", "Camera 2")
    assert configuration.motion[0] == MotionSettings(
        enabled=True,
        sensitivity=70,
        watch=((0.0, 0.5, 1.0, 0.5),),
        ignore=((0.0, 0.5, 0.1, 0.1), (0.9, 0.5, 0.1, 0.1)),
        clear_after=30,
        fps=2.5,
    )
    assert configuration.motion[1] == MotionSettings()


def test_the_default_port_of_the_broker_depends_on_tls() -> None:
    assert load(None, {}, {}).mqtt.port == 1883
    assert load(None, {"PI_MJPEG_MQTT_TLS": "true"}, {}).mqtt.port == 8883
    assert load(None, {"PI_MJPEG_MQTT_TLS": "true"}, {"--mqtt-port": "1"}).mqtt.port == 1


def test_the_mqtt_password_may_be_a_systemd_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load(None, {}, {"--mqtt-username": "pi"}).mqtt.password_file is None
    (tmp_path / "mqtt-password").write_text("secret")
    assert load(None, {}, {"--mqtt-username": "pi"}).mqtt.password_file == tmp_path / "mqtt-password"
    assert load(None, {}, {}).mqtt.password_file is None


def test_files_of_the_packages_folder_are_read_from_the_copies_that_systemd_has_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert default_configuration_file() is None
    text = (
        "[server]\ntls_certificate = '/etc/pi-mjpeg/tls/chain.pem'\ntls_key = '/etc/other/key.pem'\n"
        "[mqtt]\nusername = 'pi'\npassword_file = '/etc/pi-mjpeg/mqtt-password'\n"
    )
    for name, content in {"config.toml": text, "mqtt-password": "secret", "tls_chain.pem": "", "key.pem": ""}.items():
        (tmp_path / f"etc_{name}").write_text(content)
    file = default_configuration_file()
    assert file == tmp_path / "etc_config.toml"
    configuration = load(file, {}, {})
    assert configuration.mqtt.password_file == tmp_path / "etc_mqtt-password"
    assert configuration.server.tls_certificate == tmp_path / "etc_tls_chain.pem"
    assert configuration.server.tls_key == Path("/etc/other/key.pem")
    # A file that systemd has not passed is named as the configuration names it.
    (tmp_path / "etc_mqtt-password").unlink()
    assert load(file, {}, {}).mqtt.password_file == Path("/etc/pi-mjpeg/mqtt-password")
    # A mistake is in the file that a person edits, not in the copy.
    file.write_text("[server]\nport = 0\n")
    with pytest.raises(ConfigurationError, match=r"^/etc/pi-mjpeg/config.toml, line 2: "):
        load(file, {}, {})
    file.write_text(text)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert load(file, {}, {}).server.tls_certificate == Path("/etc/pi-mjpeg/tls/chain.pem")


def test_the_documented_configuration_is_valid_and_has_every_key(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
    documented = page.partition("```toml\n")[2].partition("```")[0]
    from_text(tmp_path, documented)
    tables = tomllib.loads(documented)
    for section, keys in SECTIONS.items():
        table = tables[section][0] if section == "camera" else tables[section]
        inner = {name for within, name in TABLES if within == section}
        assert set(table) == set(keys) | inner, section
        for name in inner:
            assert set(table[name]) == set(TABLES[section, name]), name


def test_every_documented_part_of_a_configuration_is_valid(tmp_path: Path) -> None:
    pages = (Path(__file__).parents[3] / "docs").glob("*.md")
    blocks = [block for page in pages for block in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)]
    parts = [block for block in blocks if "[project." not in block]
    assert len(parts) > 5
    for part in parts:
        from_text(tmp_path, part)


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[server]\nport = 1\n[mqtt]\nport = 1\nhost = 'file'\n[[camera]]\nfps = 1\n")
    environment = {"PI_MJPEG_PORT": "2", "PI_MJPEG_MQTT_PORT": "2", "PI_MJPEG_FPS": "2.5"}
    configuration = load(file, environment, {"--port": "3", "--size": "640x480"})
    assert configuration.server.port == 3
    assert configuration.mqtt.port == 2
    assert configuration.mqtt.host == "file"
    assert configuration.cameras[0].requested.fps == 2.5
    assert configuration.cameras[0].requested.size == (640, 480)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\n\nprot = 8000\n", ["line 3", "[server]", "'prot'", "did you mean 'port'?"]),
        ("[server]\nport = '8000'\n", ["line 2", "port has to be a whole number from 1 to 65535"]),
        ("[server]\nport = true\n", ["port has to be a whole number"]),
        ("[server]\nport = 0\n", ["port has to be a whole number"]),
        ("[server]\npublic_url = 'garden.local'\n", ["public_url", "http://"]),
        ("[server]\npublic_url = 'http://me:secret@garden.local'\n", ["public_url"]),
        ("[server]\npublic_url = 'http://[::1'\n", ["public_url"]),
        ("[server]\nhosts = 'a.example'\n", ["line 2", "hosts", "list"]),
        ("[server]\nhosts = ['http://a.example']\n", ["hosts", "host names"]),
        ("[server]\ntrusted_proxies = ['proxy.local']\n", ["trusted_proxies", "addresses"]),
        ("[server]\ncors_origins = ['*']\n", ["line 2", "cors_origins", "each origin", "every page"]),
        *(
            (
                f"[server]\ncors_origins = ['https://fine.example', '{wrong}']\n",
                ["cors_origins", "https://dash.example"],
            )
            for wrong in (
                *("dash.example", "https://dash.example/", "https://Dash.example", "null", "", "ftp://dash.example"),
                *("https://dash.example:443", "http://dash.example:80", "https://me@dash.example", "https://*.example"),
            )
        ),
        ("[server]\ntls_key = 'key.pem'\n", ["tls_certificate and tls_key belong together"]),
        ("[server]\nstate_dir = '~nobody-of-this-name/x'\n", ["line 2", "state_dir", "no user"]),
        ("[auth]\nmode = 'password'\n", ["line 2", "one of: token, none"]),
        ("[servr]\n", ["'servr'", "did you mean 'server'?"]),
        ("[[server]]\n", ["[server]"]),
        ("[camera]\n", ["[[camera]]"]),
        ("camera = []\n", ["[[camera]]"]),
        ("server = 3\n", ["[server]"]),
        ("[mqtt]\ndiscovery = 'never'\n", ["line 2", "one of: auto, core, integration, both"]),
        ("[mqtt]\ndiscovery_prefix = 'home/#'\n", ["discovery_prefix", "topic"]),
        ("[mqtt]\nhost = 'mqtt://broker:1883'\n", ["line 2", "host", "without a scheme"]),
        ("[mqtt]\nhost = 'broker..local'\n", ["line 2", "host name"]),
        ("[mqtt]\ntls = 'yes'\n", ["line 2", "tls has to be true or false"]),
        ("[mqtt]\nca_file = 'ca.pem'\n", ["ca_file does nothing without tls"]),
        ("[mqtt]\ntls = true\nclient_key = 'key.pem'\n", ["client_key does nothing without client_certificate"]),
        ("[mqtt]\npassword_file = 'x'\n", ["password_file does nothing without username"]),
        ("[[camera]]\n[[camera]]\nsize = [640, 481]\n", ["line 3", "size", "both even"]),
        ("[[camera]]\nsize = [true, 480]\n", ["size"]),
        ("[[camera]]\nsensor_hdr = 'on'\n", ["line 2", "sensor_hdr has to be true or false"]),
        ("[[camera]]\ntuning_file = 3\n", ["line 2", "tuning_file has to be a text"]),
        *(
            (
                f"[[camera]]\nsensor_mode = {wrong}\n",
                ["line 2", "sensor_mode", "[width, height] of a mode", "rpicam-hello"],
            )
            for wrong in (
                "1640",
                "'1640x1232'",
                "[1640]",
                "[1640, 1232, 10]",
                "[0, 480]",
                "[1640.0, 1232]",
                "[true, 2]",
            )
        ),
        ("[[camera]]\nsource = 'webcam'\n", ["'webcam'", "emulated", "auto"]),
        ("[[camera]]\nid = 'Front door'\n", ["id has to be made of a-z"]),
        ("[[camera]]\nid = 'a'\n[[camera]]\nid = 'a'\n", ["two cameras have the id 'a'"]),
        ("[[camera]]\nrotation = 45\n", ["rotation", "0, 90, 180, 270"]),
        ("[[camera]]\nfps = 0\n", ["fps", "0.1"]),
        ("[[camera]]\nfps = nan\n", ["fps"]),
        ("[[camera]]\nname = ''\n", ["name"]),
        ('[[camera]]\nname = "a\\u0000b"\n', ["name", "printable"]),
        ("[[camera]]\ncontrols = 3\n", ["controls", "table"]),
        ("[[camera]]\nhflip = 1\n", ["hflip", "true or false"]),
        (
            "[[camera]]\n[camera.motion]\nenabled = true\nsensitivty = 3\n",
            ["line 4", "[camera.motion]", "'sensitivty'", "did you mean 'sensitivity'?"],
        ),
        ("[[camera]]\n[[camera]]\n[camera.motion]\nfps = 99\n", ["line 4", "fps has to be a number from 0.5 to 30"]),
        ("[[camera]]\nmotion.enabled = 1\n", ["line 2", "[camera.motion] enabled has to be true or false"]),
        ("[[camera]]\nmotion = { sensitivity = 0 }\n", ["line 2", "sensitivity has to be a whole number from 1"]),
        ("[[camera]]\nmotion = true\n", ["line 2", "motion has to be a table"]),
        ("[[camera]]\n[camera.motion]\nwatch = [[0, 0, 2, 1]]\n", ["line 3", "watch has to be a list of at most 16"]),
        ("[[camera]]\n[camera.motion]\nignore = [[0.9, 0, 0.2, 1]]\n", ["line 3", "ignore", "inside the picture"]),
        ("[server\n", ["line 1"]),
        ("[servr]\n", ["line 1"]),
        ("server.prot = 1\n", ["line 1", "'prot'"]),
        ("\n[mqtt]\n[server]\nhosts = [\n  'a',\n]\nprot = 1\n", ["line 7", "'prot'"]),
        ('[server]\nname = """\n[auth]\nprot"""\nprot = 1\n', ["line 5", "'prot'"]),
        ("[server]\nhosts = [\n  'http://a',\n]\n", ["line 2", "hosts"]),
        ("camera = [{ fps = 1 }, { fsp = 1 }]\n", ["line 1", "'fsp'"]),
        ("[[camera]]\n[camera.controls]\nA = 1\n[[camera]]\n[camera.control]\n", ["line 5", "'control'"]),
        ('["server"]\n"prot" = 1\n', ["line 2", "'prot'"]),
        ("# [[camera]]\n[[camera]]\nid = 'a'\n[[camera]]\nfps = 1\nid = 'a'\n", ["line 6", "two cameras"]),
        ("[[camera]]\nfps = 1\nsource = 'webcam'\n", ["line 3", "'webcam'"]),
        ("[mqtt]\nhost = 'a'\nca_file = 'ca.pem'\n", ["line 3", "without tls"]),
        ("[server]\ntls_key = 'key.pem'\n", ["line 2", "belong together"]),
        ("x = " + "[" * 3000 + "]" * 3000, ["too deep"]),
    ],
)
def test_the_message_about_a_mistake_names_its_place(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        from_text(tmp_path, text)
    for word in ["config.toml", *words]:
        assert word in str(raised.value)


@pytest.mark.parametrize(
    ("environment", "flags", "words"),
    [
        ({"PI_MJPEG_PORT": "http"}, {}, ["PI_MJPEG_PORT", "'http'"]),
        ({"PI_MJPEG_PORT": "0"}, {}, ["PI_MJPEG_PORT", "whole number"]),
        ({}, {"--size": "1280"}, ["--size", "WxH"]),
        ({}, {"--mqtt-tls": "perhaps"}, ["--mqtt-tls", "'perhaps'", "BOOL"]),
        ({}, {"--mqtt-discovery": "x"}, ["--mqtt-discovery", "one of"]),
    ],
)
def test_the_message_about_a_mistake_names_the_flag_or_the_variable(
    environment: dict[str, str], flags: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(None, environment, flags)
    for word in words:
        assert word in str(raised.value)


def test_every_mistake_is_named_in_one_go(tmp_path: Path) -> None:
    (file := tmp_path / "config.toml").write_text(
        "[server]\nprot = 1\nname = ''\n[mqtt]\ntls = 'yes'\nca_file = 'ca.pem'\n[cam]\n"
        "[[camera]]\nfps = 0\nid = 'a'\n[[camera]]\nfsp = 1\nid = 'a'\nsource = 'webcam'\n"
    )
    with pytest.raises(ConfigurationError) as raised:
        load(file, {"PI_MJPEG_PORT": "x"}, {"--size": "1280"})
    places = [mistake.split(": ")[0].removeprefix(f"{file}, ") for mistake in raised.value.mistakes]
    assert sorted(places) == sorted(
        ["line 2", "line 3", "line 5", "line 7", "line 9", "line 12", "line 13", "line 14", "PI_MJPEG_PORT", "--size"]
    )
    assert str(raised.value).count("\n") == 9


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_is_read_as_windows_editors_write_it(tmp_path: Path, encoding: str, newline: str) -> None:
    file = tmp_path / "config.toml"
    text = newline.join(["[server]", 'name = "G\u00e4rtchen"', "", "[[camera]]", "fps = 5", ""])
    file.write_bytes(text.encode(encoding))
    configuration = load(file, {}, {})
    assert configuration.server.name == "G\u00e4rtchen"
    assert configuration.cameras[0].requested.fps == 5
    file.write_bytes((text + "fsp = 1").encode(encoding))
    with pytest.raises(ConfigurationError, match=r"config\.toml, line 6: .*'fsp'"):
        load(file, {}, {})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[server]\r\n\r\nname = 'G\xe4rtchen'\r\n", ["line 3", "0xe4", "'\u00e4'", "save the file as UTF-8"]),
        (b"[server]\rname = '\x81'\r", ["line 2", "0x81", "save the file as UTF-8"]),
        (b"\xef\xbb\xbf[server]\n# \xe9", ["line 2", "0xe9"]),
        (b"\xff\xfe[\x00s", ["UTF-16", "save it as UTF-8"]),
    ],
)
def test_bytes_that_are_no_text_are_named_with_their_line_and_what_to_do(
    tmp_path: Path, data: bytes, words: list[str]
) -> None:
    (file := tmp_path / "config.toml").write_bytes(data)
    with pytest.raises(ConfigurationError) as raised:
        load(file, {}, {})
    for word in ["config.toml", *words]:
        assert word in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(ConfigurationError, match=str(path)):
            load(path, {}, {})
    (binary := tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"binary\.toml"):
        load(binary, {}, {})


def test_no_two_options_share_a_flag_or_a_variable() -> None:
    for one, other in itertools.combinations(OPTIONS, 2):
        assert one.flag != other.flag
        assert one.variable != other.variable

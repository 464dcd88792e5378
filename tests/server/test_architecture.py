"""Each room of the server imports only rooms below it."""

from tests.import_rules import Table, rooms, violations

# Who may import whom, from the ground up. A room is a package or a module at the root of its half; `web` and `mqtt`
# have rooms of their own. A room may always import itself.
_GROUND = frozenset({"logs", "concurrency"})
_CAMERAS = _GROUND | {"media", "sources", "camera"}
_KEPT = _CAMERAS | {"motion", "storage", "recording", "config", "system"}
_TOLD = _KEPT | {"server", "documents"}
_EVENTS = _TOLD | {"telemetry", "events"}

SERVER: Table = {
    "logs": frozenset(),
    "concurrency": frozenset(),
    "media": _GROUND,
    "sources": _GROUND | {"media"},
    "camera": _GROUND | {"media", "sources"},
    "motion": _CAMERAS,
    "storage": _CAMERAS,
    "recording": _CAMERAS | {"motion", "storage"},
    "config": _CAMERAS | {"motion"},
    "system": _CAMERAS | {"storage", "config"},
    "state_folder": _KEPT,
    "server": _KEPT,
    "make_server": _KEPT | {"state_folder", "server"},
    "documents": _KEPT | {"server"},
    "telemetry": _CAMERAS,
    "events": _TOLD | {"telemetry"},
    "discovery": _TOLD,
    "mqtt": _TOLD | {"telemetry"},
    "web.errors": _TOLD,
    "web.security": _TOLD | {"web.errors"},
    "web.transport": _TOLD | {"web.errors", "web.security"},
    "web.routes": _EVENTS | {"web.errors", "web.security"},
    "web.application": _EVENTS | {"web.errors", "web.security", "web.routes"},
    "web.http_server": _TOLD | {"web.errors", "web.security", "web.transport", "web.application"},
    "systemd": _TOLD,
    "app": _TOLD | {"state_folder", "make_server", "discovery", "mqtt", "systemd", "web.http_server"},
    "selftest": _TOLD | {"make_server", "mqtt", "web.http_server"},
    "cli": _TOLD | {"state_folder", "make_server", "mqtt", "app", "web.http_server", "selftest"},
    "__main__": frozenset({"cli"}),
}


def test_rooms_import_only_rooms_below_them() -> None:
    assert violations("pi_mjpeg_server", SERVER) == []


def test_the_table_names_every_room_and_no_other() -> None:
    assert rooms("pi_mjpeg_server", SERVER) == set(SERVER)

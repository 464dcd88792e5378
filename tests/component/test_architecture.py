"""Each room of the component imports only rooms below it."""

from tests.import_rules import Table, rooms, violations

_PLATFORMS = frozenset({"binary_sensor", "button", "image", "number", "select", "sensor", "switch"})
_ENTITIES = frozenset({"const", "api", "coordinator", "entity"})

COMPONENT: Table = {
    "const": frozenset(),
    "api": frozenset({"const"}),
    "pictures": frozenset({"api"}),
    "streaming": frozenset({"const", "api", "pictures"}),
    "flows": frozenset({"const", "api"}),
    "privacy": frozenset({"const", "api"}),
    "coordinator": frozenset({"const", "api", "flows", "privacy"}),
    "event_listener": frozenset({"const", "api", "coordinator"}),
    "push": frozenset({"const", "api", "coordinator"}),
    "known_server": frozenset({"const", "api"}),
    "picture_views": frozenset({"const"}),
    "devices": frozenset({"const", "api", "flows", "coordinator"}),
    "actions": frozenset({"const", "api", "pictures", "privacy", "coordinator", "clips"}),
    "clips": frozenset({"const", "api", "pictures", "coordinator"}),
    "entity": frozenset({"const", "api", "coordinator"}),
    "services": frozenset({"const", "actions", "camera"}),
    "config_flow": frozenset({"const", "api", "flows", "coordinator"}),
    "kept_snapshots": frozenset({"const", "api", "coordinator", "clips"}),
    "media_source": frozenset({"const", "api", "coordinator", "clips", "kept_snapshots"}),
    "repairs": frozenset({"flows"}),
    "diagnostics": frozenset({"const", "coordinator"}),
    "system_health": frozenset({"const", "coordinator"}),
    **dict.fromkeys(_PLATFORMS, _ENTITIES),
    "event": _ENTITIES | {"clips"},
    "camera": _ENTITIES | {"pictures", "streaming", "actions"},
    "__init__": _ENTITIES
    | {
        "actions",
        "clips",
        "devices",
        "event_listener",
        "flows",
        "kept_snapshots",
        "known_server",
        "picture_views",
        "privacy",
        "push",
        "services",
    },
}


def test_rooms_import_only_rooms_below_them() -> None:
    assert violations("custom_components.pi_mjpeg", COMPONENT) == []


def test_the_table_names_every_room_and_no_other() -> None:
    assert rooms("custom_components.pi_mjpeg", COMPONENT) == set(COMPONENT) - {"__init__"}

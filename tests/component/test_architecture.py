"""Each room of the component imports only rooms below it."""

from tests.import_rules import Table, rooms, violations

_PLATFORMS = frozenset({"binary_sensor", "button", "image", "number", "select", "sensor", "switch"})
_ENTITIES = frozenset({"const", "api", "coordinator", "entity"})

COMPONENT: Table = {
    "const": frozenset(),
    "api": frozenset({"const"}),
    "streaming": frozenset({"const", "api"}),
    "flows": frozenset({"const", "api"}),
    "coordinator": frozenset({"const", "api", "flows"}),
    "push": frozenset({"const", "api", "coordinator"}),
    "actions": frozenset({"const", "api"}),
    "entity": frozenset({"const", "api", "coordinator"}),
    "services": frozenset({"const"}),
    "config_flow": frozenset({"const", "api", "flows", "coordinator"}),
    "repairs": frozenset({"flows"}),
    "diagnostics": frozenset({"const", "coordinator"}),
    "system_health": frozenset({"const", "coordinator"}),
    **dict.fromkeys(_PLATFORMS, _ENTITIES),
    "camera": _ENTITIES | {"streaming", "actions"},
    "__init__": _ENTITIES | {"flows", "push", "services"},
}


def test_rooms_import_only_rooms_below_them() -> None:
    assert violations("custom_components.pi_mjpeg", COMPONENT) == []


def test_the_table_names_every_room_and_no_other() -> None:
    assert rooms("custom_components.pi_mjpeg", COMPONENT) == set(COMPONENT) - {"__init__"}

"""Each room of the component imports only rooms below it."""

from tests.rooms import Table, rooms, violations

_PLATFORMS = frozenset(
    {"binary_sensor", "button", "camera", "image", "number", "select", "sensor", "switch", "diagnostics"}
)
_ENTITIES = frozenset({"const", "api", "streaming", "flows", "coordinator", "entity", "actions"})

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
    "config_flow": frozenset({"const", "api", "flows"}),
    "system_health": frozenset({"const", "coordinator"}),
    **dict.fromkeys(_PLATFORMS, _ENTITIES),
    "__init__": _ENTITIES | {"push", "services"},
}


def test_rooms_import_only_rooms_below_them() -> None:
    assert violations("custom_components.pi_mjpeg", COMPONENT) == []


def test_the_table_names_every_room_and_no_other() -> None:
    assert rooms("custom_components.pi_mjpeg", COMPONENT) == set(COMPONENT) - {"__init__"}

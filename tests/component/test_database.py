"""What Home Assistant writes to its database in an hour in which nothing happens."""

from collections import Counter

from homeassistant.components.camera.const import DATA_COMPONENT
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)

from tests.component.conftest import FRONT
from tests.component.support.fake_pi import Pi

POLLS = 120
TOKEN_CHANGES = 12


async def test_only_what_a_person_would_look_at_is_written(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    """Each change of a state is a row. The values of a camera that runs change with every poll."""
    rows: Counter[str] = Counter()

    @callback
    def count(event: Event[EventStateChangedData]) -> None:
        rows[event.data["entity_id"]] += 1

    hass.bus.async_listen(EVENT_STATE_CHANGED, count)
    camera = hass.data[DATA_COMPONENT].get_entity(FRONT)
    assert camera is not None
    for poll in range(POLLS):
        pi.camera().update(measured_fps=29 + poll / POLLS, drops=poll)
        pi.state["server"].update(viewers=2, temperature=48.3 + (poll % 2) / 10)
        await loaded.runtime_data.async_refresh()
        if poll % (POLLS // TOKEN_CHANGES) == 0:
            camera.async_update_token()
            camera.async_write_ha_state()
    await hass.async_block_till_done()
    # The temperature is what a person wants as a curve. A camera has a new URL every five minutes, as any camera has.
    temperature = rows.pop("sensor.garden_pi_temperature")
    assert temperature <= POLLS
    assert rows == {FRONT: TOKEN_CHANGES}

"""The options of an entry."""

from collections.abc import Mapping
from typing import Any

import voluptuous as vol
from homeassistant.config_entries import ConfigFlowResult, OptionsFlowWithReload
from homeassistant.helpers.selector import NumberSelector, NumberSelectorConfig, NumberSelectorMode

from ..const import CONF_FPS

_SCHEMA = vol.Schema(
    {
        vol.Optional(CONF_FPS): NumberSelector(
            NumberSelectorConfig(min=1, max=60, step=1, mode=NumberSelectorMode.BOX, unit_of_measurement="fps")
        )
    }
)


class PiMjpegOptionsFlow(OptionsFlowWithReload):
    """Asks for the options. The entry is reloaded when they change."""

    async def async_step_init(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for all options in one form."""
        if user_input is not None:
            return self.async_create_entry(data=dict(user_input))
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(_SCHEMA, self.config_entry.options),  # type: ignore[arg-type]  # at run time, voluptuous is a name of probatio
        )

"""The fields of the forms that the config flow shows."""

from typing import Final

import voluptuous as vol
from homeassistant.const import CONF_TOKEN, CONF_URL
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType

_URL: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))
_TOKEN: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))

USER_SCHEMA: Final = vol.Schema({vol.Required(CONF_URL): _URL})
TOKEN_SCHEMA: Final = vol.Schema({vol.Required(CONF_TOKEN): _TOKEN})
RECONFIGURE_SCHEMA: Final = vol.Schema({vol.Required(CONF_URL): _URL, vol.Optional(CONF_TOKEN): _TOKEN})

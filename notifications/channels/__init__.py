"""The channels a message can be sent over: one folder each, with everything that belongs to it.

To add a channel, say "sms":

1. Make the folder `notifications/channels/sms/` with an `__init__.py` (a docstring only) and a `channel.py` that defines
   one subclass of `notifications.channels.base.Channel` whose `name` is the folder's name. Nothing has to be registered:
   `notifications.channels.registry` finds it by its folder, and REMINDER_CHANNEL accepts its name.
2. Implement `address` (how a `Contact` is reached over it; None: not at all) and `send`, which returns a `Delivery`
   for every end that can be expected. Judge each refusal by what it is about: see `notifications.message.Outcome`.
3. Put whatever else it needs beside it: transport, parsing, classification of responses. A channel imports `message`,
   `addresses`, `deadline_socket`, `phone_numbers`, `public_addresses`, `redaction`, `resolver` and `channels.base`, and no
   other channel.
4. Settings it has are read in `config/settings.py`. What must be refused at start is a Django system check in `checks.py`
   of the folder; it is registered because it is there.
5. Its tests are `tests/unit/notifications/test_sms_*.py` and, with a server on loopback,
   `tests/integration/notifications/test_sms_*.py`.
"""

"""Settings of Django REST framework and drf-spectacular that are the same in every installation."""

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.ScopedOrStaff"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.throttle.PerCaller"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "reminders.web.api.summaries.SummarizedSchema",
    "EXCEPTION_HANDLER": "reminders.web.api.errors.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Assignment reminders",
    "VERSION": "1.0.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "docExpansion": "list",
        "defaultModelsExpandDepth": 0,
        "displayRequestDuration": True,
    },
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "KindEnum": "reminders.models.Kind.values",
        "DeliveryKindEnum": "reminders.models.DeliveryKind.values",
        "StateEnum": "reminders.models.State.values",
        "MessageKindEnum": "reminders.models.message_templates.MESSAGE_KINDS",
        "RungEnum": "reminders.policy.awareness.RUNGS",
        "CalendarSourceStateEnum": "assignments.calendar_source.STATES",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "reminders.web.api.schema.with_examples",
    ],
}

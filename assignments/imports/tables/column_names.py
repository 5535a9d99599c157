"""How products name their columns, by the field that such a column fills: the ones before the others are preferred.

Written in small letters and without accents. English names are those of the exports of Outlook, Google Calendar, Jobber,
Deputy and Odoo, German, Spanish and French ones those of Outlook and Odoo.
"""

import re
import unicodedata
from collections.abc import Mapping

NAMES: Mapping[str, tuple[str, ...]] = {
    "reference": (
        *(
            "reference",
            "external id",
            "id externe",
            "externe id",
            "id externo",
            "event id",
            "uid",
            "visit id",
        ),
        *("shift id", "roster id", "schedule id", "appointment id", "booking id", "task id", "order number"),
        *("job id", "work order", "work order number", "auftragsnummer", "referenz", "referencia", "ref"),
    ),
    "title": (
        *(
            "title",
            "subject",
            "summary",
            "meeting subject",
            "betreff",
            "asunto",
            "objet",
            "titel",
            "titulo",
            "titre",
        ),
        *(
            "visit title",
            "job title",
            "event title",
            "event name",
            "event",
            "task",
            "task name",
            "name of task",
            "job",
        ),
        *(
            "bezeichnung",
            "termin",
            "aufgabe",
            "tarea",
            "tache",
            "area",
            "role",
            "rolle",
            "activity",
            "service",
        ),
        "area name",
    ),
    "kind": (
        "kind",
        "category",
        "categories",
        "kategorie",
        "kategorien",
        "categorias",
        "categories outlook",
        "job type",
    ),
    "location": (
        *(
            "location",
            "place",
            "address",
            "ort",
            "ubicacion",
            "lieu",
            "emplacement",
            "lugar",
            "adresse",
            "direccion",
        ),
        *(
            "service street",
            "service city",
            "service province",
            "service state",
            "service zip",
            "service postal code",
        ),
        *("service address", "property address", "site"),
        "location name",
    ),
    "notes": (
        *(
            "notes",
            "description",
            "beschreibung",
            "descripcion",
            "body",
            "note",
            "comment",
            "comments",
            "notizen",
        ),
        *("bemerkung", "bemerkungen", "notas", "instructions", "job details", "remarks"),
    ),
    "team": ("team", "crew", "mannschaft", "equipo", "equipe", "department", "abteilung"),
    "status": ("status", "state", "estado", "etat", "statut"),
    "lead_minutes": ("lead minutes", "reminder minutes", "remind before minutes"),
    "scheduled_start": (
        *(
            "scheduled start",
            "start",
            "starts at",
            "start datetime",
            "start date time",
            "start at",
            "beginn",
            "inicio",
        ),
        *(
            "debut",
            "from",
            "von",
            "dtstart",
            "begin",
            "planned date begin",
            "planned start",
            "date start",
            "startzeitpunkt",
        ),
        "schedule start",
        "shift start",
    ),
    "start_date": (
        *(
            "start date",
            "schedule start date",
            "scheduled start date",
            "beginnt am",
            "begins on",
            "fecha de comienzo",
        ),
        *(
            "fecha de inicio",
            "date de debut",
            "debut",
            "startdatum",
            "date",
            "datum",
            "fecha",
            "timesheet date",
        ),
        *("shift date", "visit date", "appointment date", "day", "tag", "jour", "dia"),
    ),
    "start_time": (
        *(
            "start time",
            "schedule start time",
            "scheduled start time",
            "beginnt um",
            "comienzo",
            "hora de comienzo",
        ),
        *(
            "hora de inicio",
            "heure de debut",
            "debut 2",
            "startzeit",
            "start",
            "time",
            "uhrzeit",
            "beginn",
            "von",
        ),
        *("hora", "heure", "from", "visit time", "begin time"),
        "schedule start",
        "shift start",
    ),
    "scheduled_end": (
        *(
            "scheduled end",
            "end",
            "stop",
            "ends at",
            "end datetime",
            "end date time",
            "ende",
            "fin",
            "to",
            "bis",
            "dtend",
        ),
        *("date end", "planned end", "finish", "endzeitpunkt", "finaliza"),
        "schedule finish",
        "schedule end",
        "shift end",
    ),
    "end_date": (
        *(
            "end date",
            "schedule end date",
            "endet am",
            "fecha de finalizacion",
            "fecha de fin",
            "date de fin",
            "enddatum",
        ),
        *("fin", "ends on"),
    ),
    "end_time": (
        *("end time", "schedule end time", "endet um", "finalizacion", "hora de finalizacion", "hora de fin"),
        *("heure de fin", "fin 2", "endzeit", "end", "ende", "bis", "finish", "to", "stop"),
        "schedule finish",
        "schedule end",
        "shift end",
    ),
    "times": ("times", "time range", "uhrzeiten", "zeitraum", "horaire"),
    "duration": (
        *(
            "duration",
            "dauer",
            "duracion",
            "duree",
            "duration minutes",
            "duration min",
            "duration hours",
            "duration h",
        ),
        *("total hours", "hours", "allocated time", "planned hours", "stunden"),
        "schedule duration hours",
    ),
    "all_day": (
        *("all day event", "all day", "ganztagiges ereignis", "ganztagig", "todo el dia", "journee entiere"),
        *("evenement toute la journee", "toute la journee", "whole day"),
    ),
    "time_zone": ("time zone", "timezone", "zeitzone", "zona horaria", "fuseau horaire"),
    "assignee": (
        *(
            "assignee",
            "assigned to",
            "assignees",
            "employee",
            "team member",
            "worker",
            "technician",
            "resource",
        ),
        *(
            "required attendees",
            "erforderliche teilnehmer",
            "attendees",
            "mitarbeiter",
            "zugewiesen an",
            "asignado a",
        ),
        *(
            "assigne a",
            "employe",
            "empleado",
            "responsible",
            "person",
            "display name",
            "staff",
            "user",
            "guests",
            "crew member",
        ),
    ),
    "assignee_reference": (
        *(
            "assignee reference",
            "employee id",
            "employee code",
            "employee export code",
            "employee number",
            "staff id",
        ),
        *("personnel number", "personalnummer", "payroll id", "badge id", "matricule"),
    ),
    "assignee_name": (
        *(
            "assignee name",
            "employee name",
            "staff name",
            "full name",
            "first name",
            "last name",
            "vorname",
            "nachname",
        ),
        *("technician name", "worker name"),
        "employee display name",
    ),
    "assignee_email": (
        *(
            "assignee email",
            "employee email",
            "staff email",
            "work email",
            "e mail",
            "email",
            "mail",
            "attendee email",
        ),
        *(
            "email address",
            "e mail adresse",
            "correo electronico",
            "courriel",
            "user email",
            "technician email",
        ),
    ),
    "assignee_phone": (
        *(
            "assignee phone",
            "employee phone",
            "mobile",
            "mobile phone",
            "phone",
            "telefon",
            "telefono",
            "telephone",
        ),
    ),
    "assignee_time_zone": ("assignee time zone",),
    "assignee_language": ("assignee language",),
    "assignee_team": ("assignee team",),
}

JOINED = {"location": 5, "assignee_name": 2}
"""Fields that several columns fill together, such as street and city, and how many at most."""

WHOLE_BEFORE_PARTS = {
    "location": ("location", "address", "service address", "property address"),
    "assignee_name": ("assignee name", "employee name", "full name"),
}
"""Where a column of these is there, the others of the field are parts of it."""


def plain(name: str) -> str:
    """The name of a column as this page writes them."""
    decomposed = unicodedata.normalize("NFKD", name.lower())
    text = "".join(one for one in decomposed if not unicodedata.combining(one))
    return re.sub(r"[^a-z0-9]+", " ", text).strip()


def recognized(name: str) -> bool:
    """Whether a column of this name fills some field."""
    return plain(name) in KNOWN


KNOWN = {name for names in NAMES.values() for name in names}

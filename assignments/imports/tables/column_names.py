"""How products name their columns, by the field that such a column fills: the ones before the others are preferred.

Written in small letters and without accents, with commas between them: English names first, those of the exports of
calendars, of programs for shifts and for field service; then German, Spanish and French ones.
"""

import re
import unicodedata
from collections.abc import Mapping


def _names(text: str) -> tuple[str, ...]:
    return tuple(" ".join(name.split()) for name in text.split(","))


START_MOMENT = _names(
    "scheduled start, start, starts at, start datetime, start date time, date time, start at, from, dtstart, begin, "
    "planned date begin, planned start, date start, schedule start, shift start, "
    "beginn, von, startzeitpunkt, schichtbeginn, dienstbeginn, terminbeginn, einsatzbeginn, inicio, comienzo, debut"
)
START_DATE = _names(
    "start date, schedule start date, scheduled start date, begins on, date, timesheet date, shift date, visit date, "
    "appointment date, due date, day, "
    "beginnt am, startdatum, datum, tag, einsatzdatum, eckstarttermin, starttermin, fecha de comienzo, fecha de inicio, "
    "fecha inicio, fecha, dia, date de debut, date debut, date planning, debut, jour"
)
START_TIME = _names(
    "start time, schedule start time, scheduled start time, time, visit time, begin time, pickup time, "
    "beginnt um, startzeit, uhrzeit, zeit, comienzo, hora de comienzo, hora de inicio, hora inicio, hora, "
    "heure de debut, heure debut, debut 2, heure"
)
END_MOMENT = _names(
    "scheduled end, end, stop, ends at, end datetime, end date time, to, until, dtend, date end, planned end, "
    "planned finish, finish, schedule finish, schedule end, shift end, planned date end, "
    "ende, bis, endzeitpunkt, schichtende, dienstende, terminende, einsatzende, fin, finaliza"
)
END_DATE = _names(
    "end date, schedule end date, scheduled end date, finish date, ends on, "
    "endet am, enddatum, eckendtermin, endtermin, fecha de finalizacion, fecha de fin, fecha fin, date de fin, date fin, fin"
)
END_TIME = _names(
    "end time, schedule end time, scheduled end time, finish time, dropoff time, "
    "endet um, endzeit, finalizacion, hora de finalizacion, hora de fin, hora fin, heure de fin, heure fin, fin 2"
)

NAMES: Mapping[str, tuple[str, ...]] = {
    "reference": _names(
        "reference, external id, event id, uid, visit id, shift id, roster id, schedule id, appointment id, booking id, "
        "task id, timesheet id, activity id, order number, job id, job number, work order, work order number, order, ref, "
        "do not modify bookable resource booking, "
        "externe id, auftragsnummer, auftrag, referenz, id externo, referencia, id externe, id"
    ),
    "title": _names(
        "title, subject, summary, meeting subject, visit title, job title, shift title, event title, event name, event, "
        "task, task name, name of task, activity name, activity, service, services, service name, custom label, "
        "order description, job description, job, area, area name, role, position, shift, shift template, support type, "
        "reason, betreff, titel, bezeichnung, kurztext, termin, aufgabe, tatigkeit, taetigkeit, einsatz, rolle, schicht, "
        "asunto, titulo, tarea, objet, titre, tache, poste, poste assigne"
    ),
    "kind": _names(
        "kind, category, categories, job type, work order type, event type, order type, "
        "kategorie, kategorien, auftragsart, categorias, categories outlook"
    ),
    "location": _names(
        "location, location name, venue, site, property, place, address, location address, service address, "
        "property address, job address, shift address, pickup location, pickup address, "
        "service street, service city, service province, service state, service zip, service postal code, "
        "street, street address, city, state, province, zip, zip code, postal code, "
        "einsatzort, adresse, anschrift, strasse, plz, postleitzahl, ort, ubicacion, lugar, direccion, lieu, emplacement"
    ),
    "notes": _names(
        "notes, description, body, note, comment, comments, employee comment, instructions, job details, remarks, "
        "beschreibung, notizen, notiz, bemerkung, bemerkungen, vermerk, kommentar, descripcion, notas"
    ),
    "team": _names("team, crew, department, mannschaft, abteilung, equipo, equipe"),
    "status": _names("status, state, job status, booking status, estado, etat, statut"),
    "lead_minutes": _names("lead minutes, reminder minutes, remind before minutes"),
    "scheduled_start": (*START_MOMENT, *START_DATE, *START_TIME),
    "start_date": (*START_DATE, *START_MOMENT),
    "start_time": (*START_TIME, *START_MOMENT),
    "scheduled_end": (*END_MOMENT, *END_DATE, *END_TIME),
    "end_date": (*END_DATE, *END_MOMENT),
    "end_time": (*END_TIME, *END_MOMENT),
    "times": (*_names("times, time range, uhrzeiten, zeitraum, horaire"), *START_TIME),
    "duration": _names(
        "duration, duration minutes, duration mins, duration min, duration hours, duration h, total hours, hours, "
        "allocated time, planned hours, schedule duration hours, dauer, stunden, duracion, duree"
    ),
    "all_day": _names(
        "all day event, all day, whole day, ganztagiges ereignis, ganztaegiges ereignis, ganztagig, todo el dia, "
        "journee entiere, evenement toute la journee, toute la journee"
    ),
    "time_zone": _names("time zone, timezone, employee time zone, zeitzone, zona horaria, fuseau horaire"),
    "assignee": _names(
        "assignee, assigned to, assignees, visits assigned to, assigned employees, assigned technicians, assigned staff, "
        "assigned team member, assigned user, employee, team member, member, worker, technician, driver, doctor, agent, "
        "resource, required attendees, attendees, responsible, person, display name, staff, staff member, user, users, "
        "guests, crew member, "
        "mitarbeiter, mitarbeiterin, mitarbeitername, zugewiesen an, techniker, monteur, fahrer, erforderliche teilnehmer, "
        "asignado a, empleado, trabajador, tecnico, asistentes necesarios, "
        "assigne a, employe, salarie, technicien, intervenant, participants obligatoires, name, nombre, nom"
    ),
    "assignee_reference": _names(
        "assignee reference, employee id, employee code, employee export code, employee number, staff id, worker id, "
        "technician id, driver id, doctor id, personnel number, payroll id, badge id, "
        "personalnummer, personalnr, personal nr, persnr, pers nr, mitarbeiternummer, mitarbeiternr, matricule"
    ),
    "assignee_name": _names(
        "assignee name, employee name, employee display name, staff name, technician name, worker name, driver name, "
        "doctor name, full name, first name, last name, vorname, nachname"
    ),
    "assignee_email": _names(
        "assignee email, employee email, staff email, work email, attendee email, user email, technician email, "
        "worker email, e mail, email, mail, email address, e mail adresse, correo electronico, courriel"
    ),
    "assignee_phone": _names(
        "assignee phone, employee phone, staff phone, mobile, mobile phone, phone, phone number, telefon, "
        "telefono, telephone"
    ),
    "assignee_time_zone": ("assignee time zone",),
    "assignee_language": ("assignee language",),
    "assignee_team": ("assignee team",),
}

JOINED = {"location": 5, "assignee_name": 2}
"""Fields that several columns fill together, such as street and city, and how many at most."""

WHOLE_BEFORE_PARTS = {
    "location": (
        _names(
            "location, location name, venue, site, property, place, einsatzort, ubicacion, lugar, lieu, emplacement"
        ),
        _names(
            "address, location address, service address, property address, job address, shift address, adresse, anschrift, "
            "direccion"
        ),
    ),
    "assignee_name": (
        _names(
            "assignee name, employee name, employee display name, staff name, technician name, worker name, driver name, "
            "doctor name, full name"
        ),
    ),
}
"""Where columns of these are there, one of each kind is taken, and the others of the field are parts of them."""

TITLE_AT_LAST = _names("name, description, beschreibung, descripcion, nombre, nom")
"""Columns that are the title where no other is, although they mean something else as well."""

QUALIFIERS = frozenset(
    _names(
        "job, visit, shift, event, appointment, booking, task, planned, scheduled, schedule, work, basic, expected"
    )
)
"""Words before the name of a column which do not change its meaning: Job scheduled start date."""

CUSTOMERS = re.compile("customer|client|patient|resident|guest|participant|kunde|kundin|paciente")
"""How a column begins that is about whom the work is done for: then an address without a word before it is theirs."""

ANYBODYS = frozenset(
    _names(
        "e mail, email, mail, email address, e mail adresse, correo electronico, courriel, mobile, mobile phone, phone, "
        "phone number, telefon, telefono, telephone"
    )
)

OF_SEVERAL_VISITS = frozenset(_names("job id, job number, work order, work order number, order number"))
"""What a table of visits to jobs has in common for several of them."""


def plain(name: str) -> str:
    """The name of a column as this page writes them."""
    decomposed = unicodedata.normalize("NFKD", name.lower().replace("ß", "ss").replace("#", " number "))
    text = "".join(one for one in decomposed if not unicodedata.combining(one))
    return re.sub(r"[^a-z0-9]+", " ", text).strip()


def without_qualifiers(name: str) -> str:
    """A plain name without the words before it that do not change what it means."""
    words = name.split()
    while len(words) > 1 and words[0] in QUALIFIERS:
        words = words[1:]
    return " ".join(words)


def recognized(name: str) -> bool:
    """Whether a column of this name fills some field."""
    written = plain(name)
    return written in KNOWN or without_qualifiers(written) in KNOWN


KNOWN = {name for names in NAMES.values() for name in names}

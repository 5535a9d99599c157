"""The first lines of tables as products export them, with people who do not exist."""

OUTLOOK = (
    '"Subject","Start Date","Start Time","End Date","End Time","All day event","Reminder on/off","Reminder Date",'
    '"Reminder Time","Meeting Organizer","Required Attendees","Optional Attendees","Meeting Resources",'
    '"Billing Information","Categories","Description","Location","Mileage","Priority","Private","Sensitivity",'
    '"Show time as"\r\n'
    '"Boiler check","11/23/2026","9:00:00 AM","11/23/2026","10:30:00 AM","False","True","11/23/2026","8:45:00 AM",'
    '"","ada@example.test","","","","visit","Bring the\r\nkeys","Hill Road 4",,"Normal","False","Normal","2"\r\n'
    '"Meter reading","11/24/2026","1:00:00 PM","11/24/2026","2:00:00 PM","False","False","","","","bo@example.test",'
    '"","","","","","",,"Normal","False","Normal","2"\r\n'
)
OUTLOOK_GERMAN = (
    "Betreff;Beginnt am;Beginnt um;Endet am;Endet um;Ganzt\u00e4giges Ereignis;Erforderliche Teilnehmer;Beschreibung;"
    "Kategorien;Ort\r\n"
    "Kessel pr\u00fcfen;23.11.2026;09:00:00;23.11.2026;10:30:00;Aus;ada@example.test;;Besuch;M\u00fchlweg 4\r\n"
)
OUTLOOK_FRENCH = (
    "Objet;D\u00e9but;D\u00e9but;Fin;Fin;Journ\u00e9e enti\u00e8re;Emplacement\r\n"
    "Chaudi\u00e8re;23/11/2026;09:00:00;23/11/2026;10:30:00;Faux;Lyon\r\n"
)
GOOGLE = (
    "Subject,Start Date,Start Time,End Date,End Time,All Day Event,Description,Location,Private\n"
    "Boiler check,23/11/2026,09:00,23/11/2026,10:30,False,,Hill Road 4,True\n"
)
JOBBER = (
    "Date,Times,Visit title,Client name,Client phone,Client email,Service street,Service city,Service province,Service ZIP,"
    'Job #,Assigned to,Visit completed date\n"Nov 23, 2026",9:00 AM - 10:30 AM,Boiler check,Jo Client,555-0100,'
    "jo@example.test,4 Hill Road,Leeds,,LS1,1201,Ada Lovelace,\n"
)
DEPUTY = (
    "Team Member,Employee Export Code,Email,Area,Location,Date,Start,End,Total meal break,Total hours,Comment\n"
    "Ada Lovelace,E-7,ada@example.test,Ward 3,North,2026-11-23,22:00,06:00,0.5,7.5,Night\n"
)
ODOO = (
    "External ID,Meeting Subject,Start,Stop,Duration,Location,Responsible,Description\n"
    "__export__.calendar_event_7_a1,Boiler check,2026-11-23 09:00:00,2026-11-23 10:30:00,1.5,Hill Road 4,Ada Lovelace,\n"
)

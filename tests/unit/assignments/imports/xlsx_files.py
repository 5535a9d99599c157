"""XLSX files that no program would write: the markup of a sheet as it is given."""

import io
import struct
import zipfile
from collections.abc import Mapping

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
BOOK = f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>'
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
TYPES = (
    f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>'
    f'<Override PartName="/xl/sharedStrings.xml" ContentType="{KIND}.sharedStrings+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{KIND}.worksheet+xml"/></Types>'
)
OF_PACKAGE = (
    f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" Type="{RELATIONS}/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>'
)
TARGETS = (
    f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" Type="{RELATIONS}/worksheet" '
    f'Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="{RELATIONS}/sharedStrings" '
    'Target="sharedStrings.xml"/></Relationships>'
)


def sheet_file(
    rows: str, *, before: str = "", prefix: str = "", more: Mapping[str, bytes] | None = None
) -> bytes:
    """A file whose one sheet has these rows; `prefix` is that of its tags."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", TYPES)
        package.writestr("_rels/.rels", OF_PACKAGE)
        package.writestr("xl/workbook.xml", BOOK)
        package.writestr("xl/_rels/workbook.xml.rels", TARGETS)
        outer, data = f"{prefix}worksheet", f"{prefix}sheetData"
        names = f'xmlns:{prefix[:-1]}="{MAIN}"' if prefix else f'xmlns="{MAIN}"'
        sheet = f"{before}<{outer} {names}><{data}>{rows}</{data}></{outer}>"
        package.writestr("xl/worksheets/sheet1.xml", sheet)
        for name, content in (more or {}).items():
            package.writestr(name, content)
    return file.getvalue()


def with_declared_size(content: bytes, part: str, size: int) -> bytes:
    """The file, whose directory says that the part unpacks to so many bytes."""
    changed = bytearray(content)
    entry = changed.rfind(part.encode()) - 46
    assert changed[entry : entry + 4] == b"PK\x01\x02"
    struct.pack_into("<L", changed, entry + 24, size)
    (local,) = struct.unpack_from("<L", changed, entry + 42)
    struct.pack_into("<L", changed, local + 22, size)
    return bytes(changed)

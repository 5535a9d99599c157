"""XLSX files that no program would write: the markup of a sheet as it is given."""

import io
import zipfile
from collections.abc import Mapping

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
BOOK = f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>'
TARGETS = '<Relationships><Relationship Id="r1" Target="worksheets/sheet1.xml"/></Relationships>'


def sheet_file(rows: str, *, before: str = "", more: Mapping[str, bytes] | None = None) -> bytes:
    """A file whose one sheet has these rows."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("xl/workbook.xml", BOOK)
        package.writestr("xl/_rels/workbook.xml.rels", TARGETS)
        sheet = f'{before}<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
        package.writestr("xl/worksheets/sheet1.xml", sheet)
        for name, content in (more or {}).items():
            package.writestr(name, content)
    return file.getvalue()

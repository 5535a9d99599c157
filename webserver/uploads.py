"""Files in forms: none is stored in a folder, and only a page that asks for one file gets it, in memory."""

import io
from typing import Any, Never

from django.conf import settings
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload


class RefuseFiles(FileUploadHandler):
    """Ends the reading of a form at its first file, before anything is written to a temporary folder."""

    def new_file(self, *args: Any, **kwargs: Any) -> Never:
        raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Never called: `new_file` has ended the upload."""

    def file_complete(self, file_size: int) -> None:
        """Never called: `new_file` has ended the upload."""


class OneFileInMemory(FileUploadHandler):
    """Keeps the first file of a form, as far as a body may be large; a further one ends the reading."""

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._kept = io.BytesIO()
        self._files = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._files += 1
        if self._files > 1:
            raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise StopUpload(connection_reset=True)
        self._kept.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self._kept.seek(0)
        return InMemoryUploadedFile(
            file=self._kept,
            field_name=self.field_name,
            name=self.file_name,
            content_type=self.content_type,
            size=file_size,
            charset=self.charset,
            content_type_extra=self.content_type_extra,
        )

"""Nothing in this system takes files in forms, so none is stored: an import is the body of its request."""

from typing import Any, Never

from django.core.files.uploadhandler import FileUploadHandler, StopUpload


class RefuseFiles(FileUploadHandler):
    """Ends the reading of a form at its first file, before anything is written to a temporary folder."""

    def new_file(self, *args: Any, **kwargs: Any) -> Never:
        raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Never called: `new_file` has ended the upload."""

    def file_complete(self, file_size: int) -> None:
        """Never called: `new_file` has ended the upload."""

"""Nothing in this system takes files in forms."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile


@pytest.mark.django_db
def test_a_file_in_a_form_is_never_stored(client, settings, tmp_path):
    """In a folder that is not there, storing it would be an error."""
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "missing")
    large = SimpleUploadedFile("large.bin", b"x" * 3_000_000)
    answer = client.post("/admin/login/", {"username": "a", "file": large, "password": "b"})
    assert answer.status_code == 200
    assert not answer.wsgi_request.FILES

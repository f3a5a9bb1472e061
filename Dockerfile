# syntax=docker/dockerfile:1
# One image for the demo site's Django and for the bridge; docker-compose.yml says which of them a container runs.

FROM python:3.13-slim AS build

RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY bridge bridge
RUN --mount=type=cache,target=/root/.cache/pip pip install --disable-pip-version-check -c constraints.txt ".[demo]"


FROM python:3.13-slim

# No bytecode at run time: the containers' file systems are read-only.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
COPY --from=build /opt/venv /opt/venv
# The site is no part of the wheel: gunicorn, `python -m` and `bridge serve` find it in the working directory.
WORKDIR /app
COPY legacy_django legacy_django
# A number, so that orchestrators can tell that it is not root's; nobody needs to have a name or a home.
USER 10001:10001
EXPOSE 8000 8001
CMD ["bridge", "serve", "--host", "0.0.0.0"]

# The same server as scripts/serve, with the viewer, as a user without rights.
#   docker build -t dicomweb-server .
#   docker run -p 127.0.0.1:8080:8080 -p 127.0.0.1:11112:11112 -v dicomweb-data:/data dicomweb-server

FROM node:22-slim AS viewer
WORKDIR /viewer
RUN npm pack @ohif/app@3.13.2 && mv ./*.tgz viewer.tgz

FROM python:3.13-slim
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY dicomweb_server dicomweb_server
RUN pip install --no-cache-dir '.[scaled]' && rm -rf /source/build
RUN --mount=from=viewer,source=/viewer,target=/viewer \
    dicomweb-server viewer install --from /viewer/viewer.tgz --set storage.viewer=/opt/viewer
RUN apt-get update && apt-get install -y --no-install-recommends fonts-dejavu-core && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 dicomweb && install -d -o dicomweb /data
USER dicomweb
WORKDIR /
VOLUME /data
EXPOSE 8080 11112
# Who may reach the container is decided where its ports are published; the server cannot see that from inside.
ENV DICOMWEB_SERVER_STORAGE_DATA=/data \
    DICOMWEB_SERVER_STORAGE_VIEWER=/opt/viewer \
    DICOMWEB_SERVER_HTTP_LISTEN=0.0.0.0:8080 \
    DICOMWEB_SERVER_DIMSE_LISTEN=0.0.0.0:11112 \
    DICOMWEB_SERVER_ACCESS_ALLOW_REMOTE=true
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["dicomweb-server", "serve"]

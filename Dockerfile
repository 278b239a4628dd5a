# Three images from one file: `hub`, `edge`, and `camera`, a simulated one to try the others with.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY protocol/package.json protocol/
COPY server/package.json server/
COPY edge/package.json edge/
COPY dashboard/package.json dashboard/
RUN npm ci

FROM packages AS build
COPY . .
RUN npm run build -w dashboard

FROM build AS models
# The converter needs the development packages; the images only take its result.
RUN node models/cli.ts prepare

FROM node:24-bookworm-slim AS runtime
WORKDIR /app
ENV NODE_ENV=production
COPY package.json package-lock.json .npmrc ./
COPY protocol/package.json protocol/
COPY server/package.json server/
COPY edge/package.json edge/
COPY dashboard/package.json dashboard/
# Workspaces stay symbolic links: Node does not strip types from files that really lie in node_modules.
# The folder of evidence may be a volume of its own, which takes its owner from here.
RUN npm ci --omit=dev && mkdir -p /data/evidence && chown -R node:node /data
COPY protocol protocol
VOLUME /data

FROM runtime AS hub
COPY server server
COPY --from=build /app/dashboard/dist dashboard/dist
ENV PATROLHUB_DATA_DIR=/data
USER node
EXPOSE 8440 1884
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "const s=process.env.PATROLHUB_TLS_CERT_FILE?'https':'http';process.env.NODE_TLS_REJECT_UNAUTHORIZED='0';fetch(s+'://127.0.0.1:'+(process.env.PATROLHUB_HTTP_PORT||8440)+'/readyz').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
CMD ["node", "server/src/main.ts"]

FROM runtime AS edge
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*
COPY edge edge
COPY models models
COPY --from=models /app/.cache/models .cache/models
USER node
CMD ["node", "edge/src/main.ts", "--config", "/etc/patrolhub/edge.yaml"]

FROM packages AS camera
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*
COPY test/simulator test/simulator
USER node
CMD ["node", "test/simulator/serve-camera.ts", "--port", "8554"]

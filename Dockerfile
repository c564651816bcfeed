ARG NODE=20
FROM node:${NODE}-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# Why not `npm ci`: docs/decisions/0007-install-not-ci.md
RUN npm install --no-save --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --no-save --ignore-scripts

FROM node:${NODE}-slim
ENV NODE_ENV=production
WORKDIR /opt/ai-factory-gateway
COPY --from=build /src/package.json /src/LICENSE ./
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist dist
COPY pipeline.yaml /etc/ai-factory-gateway/pipeline.yaml
# Relative paths of the configuration (./data) lie here, writable for the user that runs (uid 1000; a directory mounted here must be, too).
# What is acknowledged and not yet delivered is in it: keep the volume.
WORKDIR /var/lib/ai-factory-gateway
RUN chown node:node .
VOLUME /var/lib/ai-factory-gateway
USER node
EXPOSE 4317 4318 8888 13133
# Asks the extension health_check of the default pipeline; one's own configuration needs it as well.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:13133/ready').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Stopping drains for up to service.shutdown_timeout, 30 s: `docker stop --time 35`.
ENTRYPOINT ["node", "/opt/ai-factory-gateway/dist/main.js"]
# Inside a container localhost is nobody else's: listen on every address.
CMD ["run", "--config", "/etc/ai-factory-gateway/pipeline.yaml", \
  "--set", "receivers.otlp.protocols.grpc.endpoint=0.0.0.0:4317", \
  "--set", "receivers.otlp.protocols.http.endpoint=0.0.0.0:4318", \
  "--set", "extensions.health_check.endpoint=0.0.0.0:13133", \
  "--set", "service.telemetry.metrics.address=0.0.0.0:8888"]

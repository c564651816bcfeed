FROM node:20-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-save --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --no-save --ignore-scripts

FROM node:20-slim
ENV NODE_ENV=production
WORKDIR /opt/ai-factory-gateway
COPY --from=build /src/package.json /src/LICENSE ./
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist dist
COPY pipeline.yaml /etc/ai-factory-gateway/pipeline.yaml
# Relative paths of the configuration (./data) lie here, writable for the user that runs.
WORKDIR /var/lib/ai-factory-gateway
RUN chown node:node .
VOLUME /var/lib/ai-factory-gateway
USER node
EXPOSE 4317 4318 8888
ENTRYPOINT ["node", "/opt/ai-factory-gateway/dist/main.js"]
# Inside a container localhost is nobody else's: listen on every address.
CMD ["run", "--config", "/etc/ai-factory-gateway/pipeline.yaml", \
  "--set", "receivers.otlp.protocols.grpc.endpoint=0.0.0.0:4317", \
  "--set", "receivers.otlp.protocols.http.endpoint=0.0.0.0:4318", \
  "--set", "service.telemetry.metrics.address=0.0.0.0:8888"]

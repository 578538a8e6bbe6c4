# The image of operator and node, for every architecture that the public Node.js image has:
#   npm ci && npm run image -- --bundles build/image
#   docker buildx build --platform linux/amd64,linux/arm64 -t rdb.dev/r-db:VERSION .
# The bundles are the same for all architectures. `npm run image` alone makes the same image for this
# machine's, without Docker; a test compares the two.
ARG BASE=node:24.21.0-bookworm-slim
FROM ${BASE}
ENV PATH=/usr/local/bin:/usr/bin:/bin \
    NODE_ENV=production
COPY build/image/ /app/
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["node", "/app/rdb.mjs"]

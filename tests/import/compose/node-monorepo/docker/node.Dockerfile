# syntax=docker/dockerfile:1
FROM node:20-slim AS base
WORKDIR /repo
COPY packages packages

FROM base AS web
WORKDIR /repo/apps/web
COPY apps/web .
EXPOSE 18502
CMD ["node", "server.js"]

FROM base AS tick
WORKDIR /repo/apps/tick
COPY apps/tick .
ENTRYPOINT ["node"]
CMD ["tick.js", "--quiet"]

FROM base AS api
WORKDIR /repo/apps/api
COPY apps/api .
EXPOSE 18501
CMD ["node", \
     "server.js"]

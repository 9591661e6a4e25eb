# Dockerfile - the kit with all it needs, kernel and machine made: nothing is fetched or booted when
# it grades, so it works without a network.
#
#   docker build -t nrm .                                       for graders
#   docker run --rm --network none -v "$PWD/alice:/alice:ro" nrm build/bin/grader grade FROM=/alice
#
#   docker build -t nrm-dev --target dev .                      with tools to write in
#                                                               (.devcontainer/ uses this one)
FROM debian:12 AS base
WORKDIR /kit
# First only what the packages depend on: this layer is kept when anything else changes.
COPY grader/prepare/packages.sh grader/prepare/
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git make \
 && grader/prepare/packages.sh \
 && rm -rf /var/lib/apt/lists/*
COPY . .
# Compiles, fetches the kernel, boots the machine, and grades the reference: an image that cannot
# give it all points is not made.
RUN apt-get update && make -s all-built && build/bin/grader grade FROM=solutions \
 && rm -rf /var/lib/apt/lists/* build/cache build/tmp build/traces build/results*

FROM base AS dev
RUN apt-get update \
 && apt-get install -y --no-install-recommends clangd clang-format gdb less vim-tiny \
 && rm -rf /var/lib/apt/lists/*
CMD ["bash"]

FROM base AS grader
CMD ["make"]

#!/bin/bash
# Runs every test: first the values and the kernel, then two hosts, alone, because they measure time.
# usage: packaging/run-tests.sh UNDERSTUDY-BINARY
set -euo pipefail

binary=$(realpath "$1")
export UNDERSTUDY_BINARY=$binary
export UNDERSTUDY_RUNS=${UNDERSTUDY_RUNS:-3}
export PATH="$PATH:/usr/sbin:/sbin"

unable=()
if [[ $(id -u) -ne 0 ]]; then unable+=("two hosts in namespaces: needs root"); fi
for program in ip arping nsenter mount tcpdump mosquitto mosquitto_pub keepalived; do
    command -v "$program" >/dev/null || unable+=("two hosts in namespaces: needs $program")
done

swift build --build-tests
swift test --skip-build --skip NamespaceTests
status=0
swift test --skip-build --no-parallel --filter NamespaceTests || status=$?
# What a killed run may have left.
if [[ $(id -u) -eq 0 ]]; then "$binary" lab clean; fi

if [[ ${#unable[@]} -gt 0 ]]; then
    echo
    echo "##################################################################"
    echo "# NOT RUN HERE:"
    printf '#   %s\n' "${unable[@]}"
    echo "##################################################################"
    if [[ ${CI:-} == true ]]; then status=1; fi
fi
exit "$status"
